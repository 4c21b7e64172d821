package normalize

import (
	"strings"

	"github.com/cordon-health/cordon/ocsf"
)

// activityOfCode is the activity (of Web Resources Activity) that a code of
// an audit record stands for, whatever system it is from: FHIR interactions,
// ISO 21089 lifecycle, IHE transactions, DICOM event ids, Swiss ATC. 0 is none.
func activityOfCode(code string) int {
	switch code {
	case "read", "vread", "history", "history-instance", "history-type", "history-system", "access", "view",
		"ITI-43", "ITI-68", "ITI-107", "RAD-16", "RAD-55", "RAD-107", "ATC_DOC_READ", "ATC_LOG_READ":
		return ocsf.AccessRead
	case "search", "search-type", "search-system", "query", "110112",
		"ITI-9", "ITI-18", "ITI-21", "ITI-38", "ITI-45", "ITI-47", "ITI-55", "ITI-56", "ITI-63", "ITI-66", "ITI-67",
		"ITI-78", "ITI-81", "ITI-82", "ITI-83", "ITI-119", "QED-1", "PCC-1", "PCC-44", "ATC_DOC_SEARCH":
		return ocsf.AccessSearch
	case "create", "originate", "ITI-41", "ITI-42", "ITI-65", "ITI-105", "ITI-106", "ATC_DOC_CREATE":
		return ocsf.AccessCreate
	case "update", "patch", "amend", "ITI-57", "ITI-92", "ATC_DOC_UPDATE":
		return ocsf.AccessUpdate
	case "delete", "destroy", "ITI-62", "ITI-86", "110105", "ATC_DOC_DELETE":
		return ocsf.AccessDelete
	case "disclose", "transmit", "share":
		return ocsf.AccessShare
	case "export", "$export", "extract", "print", "copy", "download", "110106":
		return ocsf.AccessExport
	case "import", "$import", "110107":
		return ocsf.AccessImport
	}
	return ocsf.ActivityUnknown
}

// activityOfAction is the activity of the letter every audit standard has.
func activityOfAction(action string) int {
	switch strings.ToUpper(action) {
	case "C":
		return ocsf.AccessCreate
	case "R":
		return ocsf.AccessRead
	case "U":
		return ocsf.AccessUpdate
	case "D":
		return ocsf.AccessDelete
	case "E":
		return ocsf.ActivityOther
	}
	return ocsf.ActivityUnknown
}

// statusOfOutcome maps the outcome of RFC 3881 and FHIR to an OCSF status.
func statusOfOutcome(code string) int {
	switch code {
	case "0", "success", "information", "informational":
		return ocsf.StatusSuccess
	case "4", "8", "12", "minor", "serious", "major", "error", "fatal", "failure", "fatal-error":
		return ocsf.StatusFailure
	case "warning":
		return ocsf.StatusOther
	}
	return ocsf.StatusUnknown
}

// breakGlassCode says whether a code of an event type or a purpose of use
// means that protection was overridden in an emergency: DICOM 110127, the
// purposes ETREAT and BTG of v3-ActReason, EMER of CH ATC.
func breakGlassCode(code string) bool {
	switch code {
	case "110127", "ETREAT", "EMER", "BTG":
		return true
	}
	return false
}

// levelScheme names the scheme of sensitivity levels, 1 to 5.
const levelScheme = "GB/T 39725"

// sensitivityOfLabel is the data category of a security label that puts data
// on level 5 of GB/T 39725, "" for all other labels. Labels: HL7 v3 ActCode
// and Confidentiality, which HL7 v2 ARV and FHIR share.
func sensitivityOfLabel(label string) string {
	switch label {
	case "HIV":
		return "hiv"
	case "STD":
		return "std"
	case "PSY", "PSYTHPN", "MH", "BH", "EMOTDIS", "COGN", "SPI":
		return "psychiatry"
	case "SEX", "PREGNANT", "REPRO", "RH":
		return "reproductive"
	case "GDIS", "SCA":
		return "gene"
	case "ETH", "ETHUD", "SUD", "OPIOIDUD", "DRGIS":
		return "substance"
	case "SDV", "SA", "VIO", "MST":
		return "violence"
	case "V":
		return "very-restricted"
	}
	return ""
}

// levelFive is the classification a security label asks for, nil for none.
func levelFive(label string) []ocsf.DataClassification {
	category := sensitivityOfLabel(label)
	if category == "" {
		return nil
	}
	return []ocsf.DataClassification{{Scheme: levelScheme, Level: 5, Category: category}}
}
