package bench

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// Machine is what figures were measured on.
type Machine struct {
	CPU    string
	Cores  int
	Memory string
	Kernel string
	Go     string
	Load   string // load average when the run began: others' work
}

// ThisMachine reads /proc; elsewhere than on Linux much stays unknown.
func ThisMachine() Machine {
	return Machine{
		CPU: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(), Memory: gibibytes(field("/proc/meminfo", "MemTotal")),
		Kernel: kernel(), Go: runtime.Version(), Load: loadAverage(),
	}
}

func (m Machine) String() string {
	return fmt.Sprintf("%s, %d cores, %s RAM, %s, %s; load average at the start %s", m.CPU, m.Cores, m.Memory, m.Kernel, m.Go, m.Load)
}

// field finds the value of the first "name: value" line.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(text)) {
		key, value, ok := strings.Cut(line, ":")
		if ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// gibibytes turns "24623104 kB" into "23.5 GiB".
func gibibytes(kB string) string {
	var n float64
	if _, err := fmt.Sscanf(kB, "%f kB", &n); err != nil {
		return kB
	}
	return fmt.Sprintf("%.1f GiB", n/(1<<20))
}

func kernel() string {
	out, err := exec.Command("uname", "-sr").Output()
	if err != nil {
		return runtime.GOOS
	}
	return strings.TrimSpace(string(out))
}

func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
