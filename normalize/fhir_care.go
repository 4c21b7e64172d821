package normalize

import "github.com/cordon-health/cordon/ocsf"

func (p *fhirParser) encounter(data []byte) (*ocsf.Event, string)       { return nil, "x" }
func (p *fhirParser) appointment(data []byte) (*ocsf.Event, string)     { return nil, "x" }
func (p *fhirParser) careTeam(data []byte) (*ocsf.Event, string)        { return nil, "x" }
func (p *fhirParser) serviceRequest(data []byte) (*ocsf.Event, string)  { return nil, "x" }
func (p *fhirParser) condition(data []byte) (*ocsf.Event, string)       { return nil, "x" }
func (p *fhirParser) patientResource(data []byte) (*ocsf.Event, string) { return nil, "x" }
func (p *fhirParser) relatedPerson(data []byte) (*ocsf.Event, string)   { return nil, "x" }
