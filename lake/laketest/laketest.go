// Package laketest states the promises of the lake as tests, to be run on
// every kind of file storage and record store.
//
// Soon more.
package laketest
