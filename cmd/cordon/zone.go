package main

// zoneCmd is the zone policy's life. What only reads and computes stands in
// zonepolicy.go and zonesimulate.go; what touches the kernel in zoneenforce.go.
type zoneCmd struct {
	New      zoneNewCmd      `cmd:"" help:"Write a policy to start from: county-hospital, tertiary or clinic."`
	Check    zoneCheckCmd    `cmd:"" help:"Check a policy: what is refused (exit code 1) and what is worth a look."`
	Show     zoneShowCmd     `cmd:"" help:"Who may talk to whom: the matrix of zones and every conduit, the implicit ones too."`
	Compile  zoneCompileCmd  `cmd:"" help:"Print what a policy becomes: nft, cisco, huawei, h3c, fortinet or json; --remove prints the way back."`
	Simulate zoneSimulateCmd `cmd:"" help:"What the policy would have done to the conversations of the last weeks, in clinical words."`
	Learn    zoneLearnCmd    `cmd:"" help:"Propose a policy from what was seen, for a person to approve."`

	// The lines of zoneenforce.go stand below.
	Stage    zoneStageCmd    `cmd:"" help:"Load a policy on this router that only records what it would drop."`
	Enforce  zoneEnforceCmd  `cmd:"" help:"Enforce a policy on this router on trial: verified, and rolled back unless confirmed in time."`
	Confirm  zoneConfirmCmd  `cmd:"" help:"Make a policy on trial stay."`
	Verify   zoneVerifyCmd   `cmd:"" help:"Compare the kernel with the policy and send real probes; exit code 1 when something is wrong."`
	Rollback zoneRollbackCmd `cmd:"" help:"Bring back what was enforced before, in one step."`
	Watch    zoneWatchCmd    `cmd:"" help:"Watch over this router as a service: keep what is enforced, and print what is dropped."`
	Status   zoneStatusCmd   `cmd:"" help:"Where the policy of this router stands; --proof writes the signed proof."`
}
