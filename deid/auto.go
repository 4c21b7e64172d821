package deid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/ocsf"
)

// autoProfile gives each file to the profile that claims it: for folders that
// hold several formats.
type autoProfile struct {
	offers   []Offer
	profiles map[string]Profile
}

var _ Profile = (*autoProfile)(nil)

// autoOffer hands files on to the offers that claim them. Its options are
// theirs, with their names in front: "dicom-basic:retain-device-identity".
func autoOffer(offers []Offer) Offer {
	auto := Offer{
		Name:  "auto",
		Title: ocsf.Text{EN: "each file by its own format: DICOM, HL7 v2, FHIR, C-CDA, tables, JSON, XML, HTML, text; others are not passed on", ZH: "按各文件自身格式处理：DICOM、HL7 v2、FHIR、C-CDA、表格、JSON、XML、HTML、文本；其他文件不输出"},
		Open:  func(s Setup) (Profile, error) { return openAuto(offers, s) },
	}
	for _, o := range offers {
		if o.Claims == nil {
			continue
		}
		for _, option := range o.Options {
			auto.Options = append(auto.Options, Option{o.Name + ":" + option.Name, option.Title})
		}
	}
	return auto
}

func openAuto(offers []Offer, s Setup) (Profile, error) {
	p := &autoProfile{profiles: map[string]Profile{}}
	for _, o := range offers {
		if o.Claims == nil {
			continue
		}
		setup := Setup{Content: s.Content}
		for _, option := range s.Options {
			if own, ok := strings.CutPrefix(option, o.Name+":"); ok {
				setup.Options = append(setup.Options, own)
			}
		}
		profile, err := o.Open(setup)
		if err != nil {
			return nil, err
		}
		p.offers, p.profiles[o.Name] = append(p.offers, o), profile
	}
	return p, nil
}

func (p *autoProfile) Name() string { return "auto" }

// errUnclaimed means that no profile knows a file's format.
var errUnclaimed = errors.New("no profile knows its format; choose one by name, or leave the file out")

func (p *autoProfile) Apply(ctx context.Context, in classify.Source, out io.Writer, job *Job) (Report, error) {
	profile, err := p.of(in)
	if err != nil {
		return Report{Profile: p.Name(), Key: job.Key.ID(), Bytes: in.Size()}, err
	}
	return profile.Apply(ctx, in, out, job)
}

func (p *autoProfile) of(in classify.Source) (Profile, error) {
	head := make([]byte, min(4096, in.Size()))
	if _, err := in.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read: %w", err)
	}
	for _, o := range p.offers {
		if o.Claims(in.Name(), head) {
			return p.profiles[o.Name], nil
		}
	}
	if why := refusal(in.Name(), head); why != "" {
		return nil, fmt.Errorf("%w: %s", ErrRefused, why)
	}
	return nil, errUnclaimed
}
