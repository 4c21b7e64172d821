package classify

import (
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// openQuietly opens without changing the access time, and says whether the
// system allowed that: it does for the file's owner and for root. A pipe that
// took the place of a file does not make it wait.
func openQuietly(path string) (f *os.File, quiet bool, err error) {
	const flags = unix.O_RDONLY | unix.O_NONBLOCK | unix.O_NOFOLLOW | unix.O_CLOEXEC
	f, err = os.OpenFile(path, flags|unix.O_NOATIME, 0)
	if err == nil {
		return f, true, nil
	}
	if !errors.Is(err, unix.EPERM) {
		return nil, false, err
	}
	f, err = os.OpenFile(path, flags, 0)
	return f, false, err
}

func stat(info fs.FileInfo) *syscall.Stat_t {
	s, _ := info.Sys().(*syscall.Stat_t)
	return s
}

func systemOf(info fs.FileInfo) uint64 {
	if s := stat(info); s != nil {
		return uint64(s.Dev)
	}
	return 0
}

// statusMark is the time of the last change of content or rights, which
// programs that set the time of writing back cannot set.
func statusMark(info fs.FileInfo) string {
	s := stat(info)
	if s == nil {
		return ""
	}
	return strconv.FormatInt(s.Ctim.Nano(), 36)
}

func ownerID(info fs.FileInfo) string {
	s := stat(info)
	if s == nil {
		return ""
	}
	return strconv.FormatUint(uint64(s.Uid), 10)
}

func ownerName(id string) string {
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "uid " + id
}

// pseudoFolders hold no files, only the system's view of itself.
func pseudoFolders() []string { return []string{"/proc", "/sys", "/dev", "/run"} }

// beNice ranks this thread behind others, for processor and disk. Where that
// is refused the scan is as polite as its rate.
func beNice() {
	const (
		process  = 1       // IOPRIO_WHO_PROCESS
		idle     = 3 << 13 // IOPRIO_CLASS_IDLE
		lastRank = 19
	)
	tid := unix.Gettid()
	_ = unix.Setpriority(unix.PRIO_PROCESS, tid, lastRank)
	_, _, _ = unix.Syscall(unix.SYS_IOPRIO_SET, process, uintptr(tid), idle)
}
