package normalize

func (n *Normalizer) parseFHIR(in Input, out *Output) { out.Reject(0, in.Data, "not read yet") }
