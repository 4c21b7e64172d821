package capture

import (
	"context"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"unicode/utf16"

	_ "github.com/microsoft/go-mssqldb"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/internal/packettest"
)

// There is no SQL Server to test with: a real client talks to a server made of
// the answers below, and the rest are vectors by MS-TDS.

// tdsFake answers sign-ins and statements as SQL Server does.
func tdsFake(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go tdsTalk(c)
		}
	}()
	return ln.Addr().(*net.TCPAddr).Port
}

func tdsTalk(c net.Conn) {
	defer c.Close()
	for {
		head := make([]byte, 8)
		if _, err := io.ReadFull(c, head); err != nil {
			return
		}
		body := make([]byte, int(binary.BigEndian.Uint16(head[2:]))-8)
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		if head[1]&1 == 0 {
			continue
		}
		switch head[0] {
		case tdsPrelogin:
			c.Write(tdsPacket(tdsReply, []byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0x03, 0xe8, 0, 0, 2}))
		case tdsLogin:
			c.Write(tdsPacket(tdsReply, slices.Concat([]byte{0xad, 10, 0, 1, 0x74, 0, 0, 4, 0, 16, 0, 0, 1}, tdsDoneBytes(tdsDoneToken, 0, 0))))
		case tdsBatch:
			c.Write(tdsPacket(tdsReply, tdsDoneBytes(tdsDoneToken, 0x10, 3)))
		case tdsRPC:
			c.Write(tdsPacket(tdsReply, slices.Concat(tdsDoneBytes(tdsDoneIn, 0x11, 7), []byte{0x79, 0, 0, 0, 0}, tdsDoneBytes(tdsDoneProc, 0, 0))))
		}
	}
}

func tdsPacket(kind byte, body []byte) []byte {
	head := []byte{kind, 1, 0, 0, 0, 0, 1, 0}
	binary.BigEndian.PutUint16(head[2:], uint16(len(body)+8))
	return append(head, body...)
}

func tdsDoneBytes(token byte, status uint16, rows uint64) []byte {
	b := binary.LittleEndian.AppendUint16([]byte{token}, status)
	b = append(b, 0xc1, 0)
	return binary.LittleEndian.AppendUint64(b, rows)
}

func tdsWide(text string) (b []byte) {
	for _, u := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// tdsNvarchar is a parameter of a call.
func tdsNvarchar(text string) []byte {
	w := tdsWide(text)
	b := []byte{0, 0, 0xe7, 0x40, 0x1f, 9, 4, 0xd0, 0, 0x34}
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(w))), w...)
}

var tdsHeaders = []byte{22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0}

// TestTDSOfGo watches Go's driver.
func TestTDSOfGo(t *testing.T) {
	port := tdsFake(t)
	file := clinicalCapture(t, func() {
		db, err := sql.Open("sqlserver", fmt.Sprintf("sqlserver://nurse:geheim@127.0.0.1:%d?database=his&encrypt=disable&app+name=HIS&workstation+id=WARD3", port))
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		db.SetMaxOpenConns(1)
		ctx := context.Background()
		if _, err := db.ExecContext(ctx, "UPDATE patient SET ward=1 WHERE name='标记'"); err != nil {
			t.Error(err)
		}
		if _, err := db.ExecContext(ctx, "DELETE FROM patient WHERE name=@p1", markedName); err != nil {
			t.Error(err)
		}
	}, port)
	h := replayFile(t, file, clinicalFor(ClinicalOptions{})...)
	wantAsked(t, h, `connect`, `query "UPDATE patient SET ward=1 WHERE name='标记'" 3`, `execute "DELETE FROM patient WHERE name=@p1" 7`)
	e := h.events[1]
	if e.Actor.User.Account != "nurse" || e.Database.Name != "his" || e.Actor.AppName != "HIS" || e.SrcEndpoint.Hostname != "WARD3" || e.DstEndpoint.Name != "SQL Server" {
		t.Errorf("%s", e.AppendJSON(nil))
	}
	if got := h.facts("127.0.0.1")["database"]; !slices.Contains(got, "sqlserver 16.0.1000") {
		t.Errorf("version %q", got)
	}
	if h.kinds()[asset.ClearPassword] != 1 {
		t.Errorf("%v", h.alarms)
	}
	nothingMarked(t, h)
	inAnyChunks(t, file)
}

// TestTDSVectors reads prepared statements, errors, cut batches and encryption.
func TestTDSVectors(t *testing.T) {
	call := func(id byte, params ...[]byte) packettest.Say {
		return packettest.Say{Bytes: tdsPacket(tdsRPC, slices.Concat(append([][]byte{tdsHeaders, {0xff, 0xff, id, 0, 0, 0}}, params...)...))}
	}
	out := []byte{0, 1, 0x26, 4, 0}
	handle := []byte{0, 0, 0x26, 4, 4, 9, 0, 0, 0}
	answer := func(parts ...[]byte) packettest.Say {
		return packettest.Say{Server: true, Bytes: tdsPacket(tdsReply, slices.Concat(parts...))}
	}
	returned := []byte{0xac, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0x26, 4, 4, 9, 0, 0, 0}
	batch := tdsPacket(tdsBatch, append(slices.Clone(tdsHeaders), tdsWide("SELECT * FROM nowhere")...))
	half := slices.Concat(tdsHeaders, tdsWide("SELECT 1 FROM a"))
	first, second := tdsPacket(tdsBatch, half[:40]), tdsPacket(tdsBatch, half[40:])
	first[1] = 0
	failed := slices.Concat([]byte{0xaa, 20, 0, 208, 0, 0, 0, 1, 16, 2, 0}, tdsWide("xx"), make([]byte, 9), tdsDoneBytes(tdsDoneToken, 2, 0))
	h := replay(t, packettest.Session("10.0.0.5:40000", "10.0.0.9:5000",
		packettest.Say{Bytes: batch}, answer(failed),
		call(tdsPrepExec, out, tdsNvarchar("@a int"), tdsNvarchar("SELECT id FROM patient WHERE id=@a"), []byte{0, 0, 0x26, 4, 4, 1, 0, 0, 0}),
		answer(tdsDoneBytes(tdsDoneIn, 0x10, 4), []byte{0x79, 0, 0, 0, 0}, returned, tdsDoneBytes(tdsDoneProc, 0, 0)),
		call(tdsExecute, handle), answer(tdsDoneBytes(tdsDoneIn, 0x10, 5), []byte{0x79, 0, 0, 0, 0}, tdsDoneBytes(tdsDoneProc, 0, 0)),
		packettest.Say{Bytes: append(first, second...)}, answer(tdsDoneBytes(tdsDoneToken, 0x10, 1)),
		packettest.Say{Bytes: tdsPacket(tdsRPC, slices.Concat(tdsHeaders, []byte{7, 0}, tdsWide("usp_all"), []byte{0, 0}))}, answer(tdsDoneBytes(tdsDoneProc, 0x10, 2)),
	), clinicalFor(ClinicalOptions{})...)
	wantAsked(t, h, `query "SELECT * FROM nowhere" 0 error 208`, `execute "SELECT id FROM patient WHERE id=@a" 4`, `execute "SELECT id FROM patient WHERE id=@a" 5`,
		`query "SELECT 1 FROM a" 1`, `execute "EXEC usp_all" 2`)

	prelogin := tdsPacket(tdsPrelogin, []byte{0, 0, 11, 0, 6, 1, 0, 17, 0, 1, 0xff, 16, 0, 0x03, 0xe8, 0, 0, 1})
	h = replay(t, packettest.Session("10.0.0.5:40000", "10.0.0.9:1433", packettest.Say{Bytes: prelogin}, packettest.Say{Server: true, Bytes: tdsPacket(tdsReply, prelogin[8:])},
		packettest.Say{Bytes: tdsPacket(tdsPrelogin, []byte("\x16\x03\x01..."))}, packettest.Say{Server: true, Bytes: tdsPacket(tdsPrelogin, []byte("\x16\x03\x03..."))},
		packettest.Say{Bytes: batch}), clinicalFor(ClinicalOptions{})...)
	if len(h.events) != 0 || h.calls(1433)["encrypted"] == 0 {
		t.Errorf("encrypted: %v %v", asked(h), h.calls(1433))
	}
}
