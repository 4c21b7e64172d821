package node

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/cordon-health/cordon/directory/ldap"
	"github.com/cordon-health/cordon/playbook"
)

// The action suspend-account, by the LDAP client. What the account looked
// like before is journalled with the intent, so that a crash at any moment
// leaves what Undo needs.

func (n *Node) suspendAccount(c playbook.Call) (string, error) {
	if a := c.Params["account"]; a != "" {
		return a, nil
	}
	if a, _, ok := n.staff(c.Case.Person); ok && a != "" {
		return a, nil
	}
	if c.Case.Account != "" {
		return c.Case.Account, nil
	}
	return "", errors.New("the case names no account; give parameter account")
}

func (n *Node) suspendBefore(ctx context.Context, c playbook.Call) (string, error) {
	account, err := n.suspendAccount(c)
	if err != nil {
		return "", err
	}
	state, err := n.ldap.State(ctx, account)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(state)
	return string(text), err
}

func (n *Node) suspend(ctx context.Context, c playbook.Call) (string, error) {
	account, err := n.suspendAccount(c)
	if err != nil {
		return "", err
	}
	_, err = n.ldap.Suspend(ctx, account)
	return account, err
}

func (n *Node) suspendUndo(ctx context.Context, c playbook.Call) error {
	account, err := n.suspendAccount(c)
	if err != nil {
		return err
	}
	var before ldap.State
	if err := json.Unmarshal([]byte(c.Before), &before); err != nil {
		return err
	}
	return n.ldap.Restore(ctx, account, before)
}
