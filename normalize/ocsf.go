package normalize

func (n *Normalizer) parseOCSF(in Input, out *Output) { out.Reject(0, in.Data, "not read yet") }
