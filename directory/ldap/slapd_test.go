package ldap_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	ldapv3 "github.com/go-ldap/ldap/v3"
)

// server is a slapd of our own, in a temporary folder, on loopback.
type server struct {
	t    *testing.T
	dir  string
	url  string // ldap://
	tls  string // ldaps://
	root *ldapv3.Conn
}

const (
	baseDN   = "dc=hospital,dc=example"
	rootDN   = "cn=admin," + baseDN
	password = "only for this test"
)

// activeDirectory are the attributes of Active Directory that matter here,
// under their own object identifiers.
const activeDirectory = `
attributetype ( 1.2.840.113556.1.4.8 NAME 'userAccountControl' EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.120 NAME 'uSNChanged' EQUALITY integerMatch ORDERING integerOrderingMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.159 NAME 'accountExpires' EQUALITY integerMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.221 NAME 'sAMAccountName' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.782 NAME 'objectCategory' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.2.141 NAME 'department' EQUALITY caseIgnoreMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 SINGLE-VALUE )
attributetype ( 1.2.840.113556.1.4.9999 NAME 'highestCommittedUSN' SYNTAX 1.3.6.1.4.1.1466.115.121.1.27 SINGLE-VALUE )
objectclass ( 1.2.840.113556.1.5.9 NAME 'user' SUP organizationalPerson STRUCTURAL MUST ( cn ) MAY ( userAccountControl $ uSNChanged $ accountExpires $ sAMAccountName $ objectCategory $ department $ employeeNumber $ displayName $ manager $ mobile ) )
objectclass ( 1.2.840.113556.1.5.9999 NAME 'rootExtra' AUXILIARY MAY ( highestCommittedUSN ) )
`

// start runs slapd, or skips the test where there is none. A usn above 0
// makes its root entry look like Active Directory's.
func start(t *testing.T, usn int) *server {
	t.Helper()
	binary := "/usr/sbin/slapd"
	if _, err := os.Stat(binary); err != nil {
		if binary, err = exec.LookPath("slapd"); err != nil {
			t.Skip("slapd is not installed: apt-get install slapd")
		}
	}
	s := &server{t: t, dir: t.TempDir(), url: "ldap://" + free(t), tls: "ldaps://" + free(t)}
	s.certificates()
	if err := os.Mkdir(filepath.Join(s.dir, "db"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.write("ad.schema", activeDirectory)
	s.write("slapd.conf", s.config(usn))
	var out bytes.Buffer
	cmd := exec.Command(binary, "-f", filepath.Join(s.dir, "slapd.conf"), "-h", s.url+"/ "+s.tls+"/", "-d", "0")
	cmd.Stderr, cmd.Stdout = &out, &out
	if err := cmd.Start(); err != nil {
		t.Skipf("slapd does not start: %v", err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	for range 100 {
		conn, err := ldapv3.DialURL(s.url)
		if err == nil {
			s.root = conn
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if s.root == nil {
		t.Fatalf("slapd is not there: %s", out.String())
	}
	t.Cleanup(func() { s.root.Close() })
	if err := s.root.Bind(rootDN, password); err != nil {
		t.Fatal(err)
	}
	s.add(baseDN, "objectClass: dcObject", "objectClass: organization", "o: Hospital", "dc: hospital")
	s.add("ou=people,"+baseDN, "objectClass: organizationalUnit", "ou: people")
	return s
}

func (s *server) config(usn int) string {
	lines := []string{
		"modulepath /usr/lib/ldap", "moduleload back_mdb", "moduleload ppolicy",
		"include /etc/ldap/schema/core.schema", "include /etc/ldap/schema/cosine.schema",
		"include /etc/ldap/schema/inetorgperson.schema", "include /etc/ldap/schema/nis.schema",
		"include " + filepath.Join(s.dir, "ad.schema"),
		"pidfile " + filepath.Join(s.dir, "pid"),
		"TLSCACertificateFile " + filepath.Join(s.dir, "ca.pem"),
		"TLSCertificateFile " + filepath.Join(s.dir, "server.pem"),
		"TLSCertificateKeyFile " + filepath.Join(s.dir, "server.key"),
	}
	if usn > 0 {
		s.write("root.ldif", fmt.Sprintf("dn:\nobjectClass: rootExtra\nhighestCommittedUSN: %d\n", usn))
		lines = append(lines, "rootDSE "+filepath.Join(s.dir, "root.ldif"))
	}
	lines = append(lines, "database mdb", "suffix "+baseDN, "rootdn "+rootDN, `rootpw "`+password+`"`,
		"directory "+filepath.Join(s.dir, "db"), "dbnosync", "overlay ppolicy", "sizelimit size.soft=500 size.hard=500 size.pr=10 size.prtotal=unlimited")
	return strings.Join(lines, "\n") + "\n"
}

func (s *server) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// certificates makes an authority and a certificate for 127.0.0.1.
func (s *server) certificates() {
	s.t.Helper()
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Test CA"}, NotAfter: time.Now().Add(time.Hour),
		NotBefore: time.Now().Add(-time.Hour), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	caKey := s.key()
	s.certificate("ca.pem", ca, ca, caKey, caKey)
	key := s.key()
	s.certificate("server.pem", &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "127.0.0.1"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotAfter: time.Now().Add(time.Hour), NotBefore: time.Now().Add(-time.Hour), ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, ca, key, caKey)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write("server.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
}

func (s *server) key() *ecdsa.PrivateKey {
	s.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

func (s *server) certificate(name string, cert, parent *x509.Certificate, key, signer *ecdsa.PrivateKey) {
	s.t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, signer)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(name, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
}

// add makes an entry of "name: value" lines.
func (s *server) add(dn string, lines ...string) {
	s.t.Helper()
	req := ldapv3.NewAddRequest(dn, nil)
	values := map[string][]string{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		values[name] = append(values[name], value)
	}
	for name, list := range values {
		req.Attribute(name, list)
	}
	if err := s.root.Add(req); err != nil {
		s.t.Fatalf("add %s: %v", dn, err)
	}
}

func (s *server) set(dn, name string, values ...string) {
	s.t.Helper()
	req := ldapv3.NewModifyRequest(dn, nil)
	req.Replace(name, values)
	if err := s.root.Modify(req); err != nil {
		s.t.Fatalf("set %s of %s: %v", name, dn, err)
	}
}

func (s *server) get(dn, name string) string {
	s.t.Helper()
	res, err := s.root.Search(ldapv3.NewSearchRequest(dn, ldapv3.ScopeBaseObject, 0, 0, 0, false, "(objectClass=*)", []string{name}, nil))
	if err != nil || len(res.Entries) != 1 {
		s.t.Fatalf("get %s: %v", dn, err)
	}
	return res.Entries[0].GetAttributeValue(name)
}

func (s *server) remove(dn string) {
	s.t.Helper()
	if err := s.root.Del(ldapv3.NewDelRequest(dn, nil)); err != nil {
		s.t.Fatal(err)
	}
}
