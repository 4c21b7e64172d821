package lake

// A record is an event as the columns of a file: numbers and texts. Zero and
// "" are stored as null and mean "absent", as they do in ocsf.
type record struct {
	ints  [numInts]int64
	texts [numTexts]string
}

// The columns of numbers. Times are in ms.
const (
	intTime = iota
	intClass
	intActivity
	intSeverity
	intStatus
	intLogged
	intBreakGlass
	intIncidental
	intLevel // highest data classification, for questions
	intQueryRows
	intExplained
	intWeak
	intExplainedLag // when it was explained, counted from time
	intSeq
	intIndex
	numInts
)

// The columns of text.
const (
	textUID = iota
	textPatient
	textEncounter
	textPerson
	textAccount
	textPersonName
	textPersonType
	textRoles
	textOrg
	textApp
	textSession
	textUserUID
	textUserName
	textSrcIP
	textSrcHost
	textSrcName
	textDstIP
	textDstHost
	textDstName
	textDeviceName
	textDeviceUID
	textDeviceIP
	textDeviceHost
	textDeviceMAC
	textProduct
	textVendor
	textProductVersion
	textVersion
	textLogName
	textSource
	textOriginalTime
	textCorrelation
	textProfiles
	textEventCode
	textOperation
	textService
	textHTTPUID
	textHTTPMethod
	textURL
	textUserAgent
	textResourceType
	textResourceUID
	textResourceName
	textQuery
	textDatabase
	textTable
	textFileName
	textFilePath
	textDocument
	textPurpose
	textReason
	textHalfOf
	textMessage
	textStatusCode
	textStatusDetail
	textKind
	textBecause
	textArgs
	textUnmapped
	textRawData
	textRest // canonical JSON of what no column holds
	numTexts
)

// intNames are the names of the columns in files and in SQL.
var intNames = [numInts]string{
	intTime:         "time",
	intClass:        "class_uid",
	intActivity:     "activity_id",
	intSeverity:     "severity_id",
	intStatus:       "status_id",
	intLogged:       "logged_time",
	intBreakGlass:   "break_glass",
	intIncidental:   "incidental",
	intLevel:        "level",
	intQueryRows:    "query_rows",
	intExplained:    "explained",
	intWeak:         "weak",
	intExplainedLag: "explained_lag",
	intSeq:          "seq",
	intIndex:        "idx",
}

// textNames likewise. An uid in the form of an UUID is stored in the column
// uidBinary instead of "uid".
var textNames = [numTexts]string{
	textUID:            "uid",
	textPatient:        "patient",
	textEncounter:      "encounter",
	textPerson:         "person",
	textAccount:        "account",
	textPersonName:     "person_name",
	textPersonType:     "person_type",
	textRoles:          "roles",
	textOrg:            "org",
	textApp:            "app",
	textSession:        "session",
	textUserUID:        "user_uid",
	textUserName:       "user_name",
	textSrcIP:          "src_ip",
	textSrcHost:        "src_host",
	textSrcName:        "src_name",
	textDstIP:          "dst_ip",
	textDstHost:        "dst_host",
	textDstName:        "dst_name",
	textDeviceName:     "device_name",
	textDeviceUID:      "device_uid",
	textDeviceIP:       "device_ip",
	textDeviceHost:     "device_host",
	textDeviceMAC:      "device_mac",
	textProduct:        "product",
	textVendor:         "vendor",
	textProductVersion: "product_version",
	textVersion:        "ocsf_version",
	textLogName:        "log_name",
	textSource:         "source",
	textOriginalTime:   "original_time",
	textCorrelation:    "correlation",
	textProfiles:       "profiles",
	textEventCode:      "event_code",
	textOperation:      "operation",
	textService:        "service",
	textHTTPUID:        "http_uid",
	textHTTPMethod:     "http_method",
	textURL:            "url",
	textUserAgent:      "user_agent",
	textResourceType:   "resource_type",
	textResourceUID:    "resource_uid",
	textResourceName:   "resource_name",
	textQuery:          "query",
	textDatabase:       "database_name",
	textTable:          "table_name",
	textFileName:       "file_name",
	textFilePath:       "file_path",
	textDocument:       "document",
	textPurpose:        "purpose",
	textReason:         "reason",
	textHalfOf:         "half_of",
	textMessage:        "message",
	textStatusCode:     "status_code",
	textStatusDetail:   "status_detail",
	textKind:           "kind",
	textBecause:        "because",
	textArgs:           "args",
	textUnmapped:       "unmapped",
	textRawData:        "raw_data",
	textRest:           "rest",
}

// uidBinary is the column of uids that are UUIDs in their usual spelling.
const uidBinary = "uid_uuid"

// loggedLag is the column of logged times shortly after the event, as the
// distance in ms; the others stand in "logged_time".
const loggedLag = "logged_lag"

// unique says that a column's values seldom repeat.
func unique(text int) bool {
	switch text {
	case textUID, textCorrelation, textHalfOf, textHTTPUID, textRest, textRawData:
		return true
	}
	return false
}
