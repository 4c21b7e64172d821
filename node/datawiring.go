package node

import (
	"context"
	"errors"
	"net/http"
	"strings"

	"github.com/cordon-health/cordon/api"
	"github.com/cordon-health/cordon/classify"
	"github.com/cordon-health/cordon/ocsf"
)

// dataGuard is what API and console show of scans.
func (n *Node) dataGuard() api.DataGuard {
	return api.DataGuard{
		Map: n.scans.all, Targets: n.scans.targets, Start: n.scans.wish, Stop: n.scans.stop, Progress: n.scans.progressOf,
		Kinds: n.scanKinds, Levels: levelsBook{n}, Patients: n.patients.state, Plant: n.plantPatient,
	}
}

// scanKinds describes what scans find now.
func (n *Node) scanKinds() []classify.SARIFKind {
	s, err := n.scanner(false)
	if err != nil {
		n.log.Error("kinds of data not listed", "error", err)
		return nil
	}
	return s.SARIFKinds()
}

// wish starts what a person asks for.
func (s *scans) wish(ctx context.Context, w api.ScanWish, by string) (classify.ScanRun, error) {
	t, err := s.wanted(ctx, w)
	if err != nil {
		return classify.ScanRun{}, err
	}
	if err := errors.Join(classify.Globs(w.Include).Check(), classify.Globs(w.Exclude).Check()); err != nil {
		return classify.ScanRun{}, refusal(http.StatusBadRequest, err.Error(), "通配模式有误："+err.Error())
	}
	run, err := s.start(ctx, t, by)
	switch {
	case err == nil || classify.Busy(err):
		return run, err
	case errors.Is(err, errManyScans):
		return run, refusal(http.StatusConflict, errManyScans.Error(), "同时进行的扫描已达上限，请等待其中之一结束")
	case errors.Is(err, errNotNow):
		return run, refusal(http.StatusServiceUnavailable, errNotNow.Error(), "服务正在启动或停止，暂不能开始扫描")
	}
	return run, refusal(http.StatusBadRequest, err.Error(), "无法开始扫描："+err.Error())
}

func refusal(status int, en, zh string) error {
	return api.Refusal{Status: status, Text: ocsf.Text{EN: en, ZH: zh}}
}

// wanted is the target that is meant: one of the configuration, or an address,
// which is a target of its own under its address without secrets.
func (s *scans) wanted(ctx context.Context, w api.ScanWish) (classify.ScanTarget, error) {
	for _, t := range s.n.cfg.Scan.Targets {
		if t.Name == w.Target {
			return t, nil
		}
	}
	address := w.Address
	if w.Target != "" { // one that was scanned by hand before: a folder only, other addresses need their secret again
		list, err := s.targets(ctx)
		if err != nil {
			return classify.ScanTarget{}, err
		}
		for _, t := range list {
			if t.Place.Target == w.Target && classify.Scheme(t.Address) == "" {
				address = t.Address
			}
		}
		if address == "" {
			return classify.ScanTarget{}, refusal(http.StatusNotFound, "there is no such target that can be scanned again; give its address", "没有可重新扫描的此目标，请提供其地址")
		}
	}
	if strings.HasPrefix(address, "$") || strings.HasPrefix(address, "@") {
		return classify.ScanTarget{}, refusal(http.StatusBadRequest, "$NAME and @FILE are for targets of the configuration", "$NAME 与 @FILE 仅用于配置文件中的目标")
	}
	return classify.ScanTarget{
		Name: classify.WithoutSecrets(address), Path: address, Rate: max(w.Rate, 0), Workers: max(w.Workers, 0), Largest: max(w.Largest, 0),
		Include: w.Include, Exclude: w.Exclude, OneSystem: w.OneSystem, Rows: max(w.Rows, 0), OCR: w.OCR,
	}, nil
}
