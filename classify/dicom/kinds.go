package dicom

import (
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/internal/dicom"
)

// Tags this reader knows by name.
const (
	sopClass      dicom.Tag = 0x00080016
	codeMeaning   dicom.Tag = 0x00080104
	bodyPart      dicom.Tag = 0x00180015
	burnedIn      dicom.Tag = 0x00280301
	recognizable  dicom.Tag = 0x00280302
	recordType    dicom.Tag = 0x00041430
	conceptName   dicom.Tag = 0x0040A043
	textValue     dicom.Tag = 0x0040A160
	personName    dicom.Tag = 0x0040A123
	dateValue     dicom.Tag = 0x0040A121
	dateTimeValue dicom.Tag = 0x0040A120
	encapsulated  dicom.Tag = 0x00420011
	mimeType      dicom.Tag = 0x00420012
)

// kindOf is what an attribute says that its value is.
func kindOf(t dicom.Tag, vr dicom.VR) classify.Kind {
	switch t {
	case 0x00100020, 0x00101000: // PatientID, OtherPatientIDs
		return classify.MRN
	case 0x00100030: // PatientBirthDate
		return classify.BirthDate
	case 0x00101010: // PatientAge
		return classify.Age
	case 0x00101040, 0x00401102, 0x00080092, 0x00080081: // PatientAddress, PersonAddress, ReferringPhysicianAddress, InstitutionAddress
		return classify.Address
	case 0x00102154, 0x00401103, 0x00080094: // PatientTelephoneNumbers, PersonTelephoneNumbers, ReferringPhysicianTelephoneNumbers
		return classify.Phone
	case 0x00080080: // InstitutionName
		return classify.Organization
	case 0x00080050, 0x00402016, 0x00402017, 0x00401001, 0x00400551, 0x00400512: // AccessionNumber, PlacerOrderNumberImagingServiceRequest, FillerOrderNumberImagingServiceRequest, RequestedProcedureID, SpecimenIdentifier, ContainerIdentifier
		return classify.Accession
	case 0x00380010: // AdmissionID
		return classify.Admission
	case 0x00380060: // ServiceEpisodeID
		return classify.Visit
	case 0x00120040: // ClinicalTrialSubjectID
		return classify.Unique
	case 0x00181000: // DeviceSerialNumber
		return classify.Serial
	case 0x00080020, 0x00380020, 0x00380030: // StudyDate, AdmittingDate, DischargeDate
		return classify.Date
	case 0x00101050: // InsurancePlanIdentification
		return classify.HealthPlan
	}
	if vr == dicom.PN {
		return classify.Name
	}
	return classify.None
}

// readable says whether a value is handed on: texts, names, dates and codes of
// people; not numbers, UIDs and defined terms, which are no place for any of
// that; of private and unknown values what is text by its bytes.
func readable(e *dicom.Element, vr dicom.VR, b []byte) bool {
	switch vr {
	case dicom.PN, dicom.LO, dicom.SH, dicom.ST, dicom.LT, dicom.UT, dicom.UC, dicom.UR, dicom.AE, dicom.AS, dicom.DA, dicom.DT:
		return true
	case dicom.UN, dicom.OB:
		return (e.Tag.Private() || vr == dicom.UN) && isText(b)
	}
	return e.Tag.Private() && vr.ASCII() && vr != dicom.UI
}

// isText is true for bytes that are mostly printable.
func isText(b []byte) bool {
	b = trim(b)
	if len(b) < 4 {
		return false
	}
	control := 0
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != 0x1B || c == 0x7F {
			control++
		}
	}
	return control*20 < len(b)
}
