package node

import (
	"context"
	"io/fs"
	"path/filepath"
	"runtime"
	"time"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/content"
	"github.com/cordon-health/cordon/deid"
)

// Deidentify is a run of de-identification without a server.
type Deidentify struct {
	// Profile is a name of [deid.Offers], with its file behind a colon.
	Profile string
	Options []string
	// Key is the file of the key.
	Key string
	// In and Out are files, or folders.
	In, Out string
	// Patient is the record number where the files do not say it.
	Patient string
	// Recipients are public keys of age, Passphrase a file with one.
	Recipients []string
	Passphrase string
	// Vault is a file in which what stood behind pseudonyms is kept, sealed by
	// the key; empty keeps nothing.
	Vault string
	Today time.Time
	Note  func(deid.Progress)
	Each  func(deid.FileReport) error
}

// Run de-identifies.
func (d Deidentify) Run(ctx context.Context) (total deid.Total, err error) {
	key, err := deid.ReadKey(d.Key)
	if err != nil {
		return total, err
	}
	setup, err := deidContent()
	if err != nil {
		return total, err
	}
	setup.Options = d.Options
	profile, err := deid.Open(d.Profile, setup)
	if err != nil {
		return total, err
	}
	to, err := deid.Recipients(d.Recipients)
	if err == nil && d.Passphrase != "" {
		to, err = deid.Passphrase(d.Passphrase)
	}
	if err != nil {
		return total, err
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		return total, err
	}
	run := deid.Run{
		In: d.In, Out: d.Out, Profile: profile, Options: d.Options, Content: setup.Content, To: to, Workers: runtime.GOMAXPROCS(0), Note: d.Note, Each: d.Each,
		Job: &deid.Job{Key: key, Scanner: engine, Today: d.Today, Patient: d.Patient},
	}
	if d.Vault == "" {
		return run.Do(ctx)
	}
	if run.Job.Vault, err = deid.OpenVault(d.Vault, key); err != nil {
		return total, err
	}
	total, err = run.Do(ctx)
	if err == nil {
		err = run.Job.Vault.Close()
	}
	return total, err
}

// deidContent is what profiles are opened with, without a server too.
func deidContent() (deid.Setup, error) {
	sub, err := fs.Sub(content.Files(), "deid")
	if err != nil {
		return deid.Setup{}, err
	}
	s := deid.Setup{Content: sub}
	s.Others = func(name string) (deid.Profile, error) { return deid.Open(name, s) }
	return s, nil
}

// vaultFile is the server's file of pseudonyms, in the folder of keys.
const vaultFile = "deid.vault"

// deidDesk answers who is behind pseudonyms of the site's key.
func (n *Node) deidDesk() *deid.Desk {
	return &deid.Desk{DB: n.db, Log: n.evidence, Key: n.deidKey, Vault: filepath.Join(n.cfg.Data, "keys", vaultFile), Now: n.now}
}

// deidentify takes patients out of one file with the site's key.
func (n *Node) deidentify(ctx context.Context, w api.DeidWork) (deid.Report, error) {
	key, err := n.deidKey()
	if err != nil {
		return deid.Report{}, err
	}
	setup, err := n.deidSetup()
	if err != nil {
		return deid.Report{}, err
	}
	setup.Options = w.Options
	profile, err := deid.Open(w.Profile, setup)
	if err != nil {
		return deid.Report{}, err
	}
	engine, err := classify.New(classify.Config{})
	if err != nil {
		return deid.Report{}, err
	}
	return profile.Apply(ctx, w.In, w.Out, &deid.Job{Key: key, Scanner: engine, Today: n.now(), Patient: w.Patient})
}
