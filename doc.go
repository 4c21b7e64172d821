// Package cordon is the tour of the house and holds no code: one glance at the
// root folder is the table of contents, and ARCHITECTURE.md gives each folder
// its line, in the order in which they may import each other and in which they
// are best read.
//
// Cordon watches every access to a hospital's patient data, explains what is
// legitimate, warns about the rest before harm is done, drives the disposal and
// proves all of it. One way leads through it:
//
//	collect -> normalize -> bus -> lake + evidence -> detect -> incident -> playbook -> evidence
//	              (OCSF)  (durable)                     ^                      |
//	                                               directory, care <-----------+
//
// Start with ocsf, the words everything else is said in; then evidence, which
// says what is promised; then node, which alone knows every part and joins them.
// cmd/cordon is the program.
//
// The tests of this package are the house rules: layout_test.go reads every Go
// file and refuses what the list does not allow, habits_test.go holds the
// customs of the code, and docs_test.go keeps the prose true. They are given a
// file system, so each rule is itself tested on a small tree in testdata/layout
// that breaks it.
package cordon
