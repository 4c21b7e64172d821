package main

// zoneCmd is the zone policy's life. What only reads and computes stands in
// this file; what touches the kernel is in zoneenforce.go.
type zoneCmd struct {
	New      zoneNewCmd      `cmd:"" help:"Write a policy to start from: county-hospital, tertiary or clinic."`
	Check    zoneCheckCmd    `cmd:"" help:"Check a policy: what is refused (exit code 1) and what is worth a look."`
	Show     zoneShowCmd     `cmd:"" help:"Who may talk to whom: the matrix of zones and every conduit, the implicit ones too."`
	Compile  zoneCompileCmd  `cmd:"" help:"Print what a policy becomes: nft, cisco, huawei, h3c, fortinet or json; --remove prints the way back."`
	Simulate zoneSimulateCmd `cmd:"" help:"What the policy would have done to the conversations of the last weeks, in clinical words."`
	Learn    zoneLearnCmd    `cmd:"" help:"Propose a policy from what was seen, for a person to approve."`

	// The lines of zoneenforce.go (stage, enforce, confirm, verify, rollback) stand below.
}

type zoneNewCmd struct{}
type zoneCheckCmd struct{}
type zoneShowCmd struct{}
type zoneCompileCmd struct{}
type zoneSimulateCmd struct{}
type zoneLearnCmd struct{}
