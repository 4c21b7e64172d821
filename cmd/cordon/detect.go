package main

import "errors"

type detectCmd struct{}

// Run is filled in with package sigma.
func (detectCmd) Run(*world) error { return errors.New("soon") }
