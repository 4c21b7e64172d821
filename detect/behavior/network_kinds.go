package behavior

import (
	"slices"

	"github.com/cordon-health/cordon/asset"
	"github.com/cordon-health/cordon/binding"
	"github.com/cordon-health/cordon/ocsf"
)

// networkKinds is the table of alarms: what each means, and what to do.
func networkKinds() []networkKind {
	return slices.Concat(claimKinds(), addressKinds(), placeKinds(), airKinds(), clearKinds(), clinicalKinds(), zoneKinds(), deviceKinds())
}

// claimKinds are about false claims of an address.
func claimKinds() []networkKind {
	return []networkKind{
		{
			kind: asset.ARPSpoof, severity: ocsf.SeverityHigh, risk: 80,
			weakFor: []string{binding.WhyBoth},
			title:   ocsf.Text{EN: "ARP spoofing", ZH: "ARP 欺骗"},
			why: ocsf.Text{
				EN: "A device claims the address of another, so that traffic to it passes through the liar: passwords, records and images can be read or changed on the way.",
				ZH: "设备冒领他人地址，使发往该地址的流量经其转手：口令、病历与影像可能在途中被读取或篡改。",
			},
			advice: ocsf.Text{
				EN: "Find the device by its switch port, isolate it, and look at who sits there. Confirm that the address answers rightly again.",
				ZH: "按交换机端口找到该设备，先隔离，再查明使用者；随后确认该地址恢复正常应答。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 3.1", "ISO/IEC 27001:2022 A.8.20", "MITRE ATT&CK T1557.002", "45 CFR 164.312(e)(1)"},
		},
		{
			kind: asset.NDPSpoof, severity: ocsf.SeverityHigh, risk: 80,
			title: ocsf.Text{EN: "IPv6 neighbour spoofing", ZH: "IPv6 邻居欺骗"},
			why: ocsf.Text{
				EN: "A device advertises the IPv6 address of another as its own, so that traffic to it passes through the liar.",
				ZH: "设备冒称拥有他人的 IPv6 地址，使发往该地址的流量经其转手。",
			},
			advice: ocsf.Text{
				EN: "Find the device by its switch port, isolate it, and look at who sits there. Confirm that the address answers rightly again.",
				ZH: "按交换机端口找到该设备，先隔离，再查明使用者；随后确认该地址恢复正常应答。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 3.1", "ISO/IEC 27001:2022 A.8.20", "MITRE ATT&CK T1557", "45 CFR 164.312(e)(1)"},
		},
		{
			kind: asset.GratuitousARP, severity: ocsf.SeverityMedium, risk: 35, weak: true,
			title: ocsf.Text{EN: "Unasked claim of an address in use", ZH: "主动宣告占用他人地址"},
			why: ocsf.Text{
				EN: "A device announces an address as its own that another has been using. So does a poisoning attack, and so does a cluster that fails over for the first time.",
				ZH: "设备主动宣告占有他人正在使用的地址。投毒攻击如此，集群首次切换也如此。",
			},
			advice: ocsf.Text{
				EN: "Ask whether a cluster or a replaced machine explains it; then enter the address as virtual, or the change as a binding. Otherwise treat it as ARP spoofing.",
				ZH: "核实是否为集群切换或更换设备；如是，将该地址登记为虚拟地址或更新绑定；否则按 ARP 欺骗处置。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 3.1", "ISO/IEC 27001:2022 A.8.20", "MITRE ATT&CK T1557.002"},
		},
		{
			kind: asset.DuplicateIP, severity: ocsf.SeverityMedium, risk: 45,
			title: ocsf.Text{EN: "Two devices with one address", ZH: "地址冲突"},
			why: ocsf.Text{
				EN: "Two devices use one address at once. Connections of both fail by chance: results and images get lost, monitors fall off.",
				ZH: "两台设备同时使用同一地址，双方连接随机中断：结果与影像丢失，监护掉线。",
			},
			advice: ocsf.Text{
				EN: "Give the one that came later its own address; bring it into the list of bindings.",
				ZH: "为后来者另行分配地址，并登记到绑定表。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 3.1", "ISO/IEC 27001:2022 A.8.20", "GB/T 22239-2019 8.1.10.2", "ISO/IEC 27001:2022 A.5.9", "IEC 62443-3-3 SR 7.8"},
		},
		{
			kind: asset.ClonedMAC, severity: ocsf.SeverityHigh, risk: 75,
			title: ocsf.Text{EN: "Cloned MAC address", ZH: "MAC 地址克隆"},
			why: ocsf.Text{
				EN: "Two machines use one MAC address, as somebody does who takes the place of a device that is let in by its MAC.",
				ZH: "两台机器使用同一 MAC，常见于冒充按 MAC 准入的设备。",
			},
			advice: ocsf.Text{
				EN: "Find the device by its switch port, isolate it, and look at who sits there. Confirm that the address answers rightly again.",
				ZH: "按交换机端口找到该设备，先隔离，再查明使用者；随后确认该地址恢复正常应答。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 3.1", "ISO/IEC 27001:2022 A.8.20", "IEC 62443-3-3 SR 1.2", "45 CFR 164.312(d)", "MITRE ATT&CK T1200"},
		},
	}
}

// addressKinds are about servers, and addresses that are not in order.
func addressKinds() []networkKind {
	return []networkKind{
		{
			kind: asset.RogueDHCP, severity: ocsf.SeverityHigh, risk: 70,
			weakFor: []string{binding.WhySecond},
			title:   ocsf.Text{EN: "Unknown DHCP server", ZH: "私设 DHCP 服务器"},
			why: ocsf.Text{
				EN: "A DHCP server that nobody knows offers addresses: whoever takes one sends all traffic where that server says, or loses the network.",
				ZH: "未知 DHCP 服务器在分配地址：接受者的流量将按其指示转发，或直接断网。",
			},
			advice: ocsf.Text{
				EN: "Find it by its switch port and unplug it; often it is a home router plugged in the wrong way. If it is right, enter it under known servers.",
				ZH: "按交换机端口找到并拔除，常为接反的家用路由器；如属正常，请登记为已知服务器。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 3.1", "ISO/IEC 27001:2022 A.8.20", "MITRE ATT&CK T1557.003"},
		},
		{
			kind: asset.RogueRA, severity: ocsf.SeverityHigh, risk: 70,
			weakFor: []string{binding.WhySecond},
			title:   ocsf.Text{EN: "Unknown IPv6 router", ZH: "未知 IPv6 路由器"},
			why: ocsf.Text{
				EN: "A router that nobody knows advertises itself: machines that speak IPv6, nearly all, send their traffic through it.",
				ZH: "未知路由器通告自身：几乎所有支持 IPv6 的机器都会经其转发流量。",
			},
			advice: ocsf.Text{
				EN: "Find it by its switch port and unplug it. If it is right, enter it under known routers.",
				ZH: "按交换机端口找到并拔除；如属正常，请登记为已知路由器。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 3.1", "ISO/IEC 27001:2022 A.8.20", "MITRE ATT&CK T1557"},
		},
		{
			kind: asset.UnboundAddress, severity: ocsf.SeverityHigh, risk: 65,
			title: ocsf.Text{EN: "Unbound device in a locked network", ZH: "锁定网段内的未绑定设备"},
			why: ocsf.Text{
				EN: "In a locked network only known pairs of device and address are allowed. This one is none of them.",
				ZH: "锁定网段仅允许已登记的设备与地址组合，此组合不在其中。",
			},
			advice: ocsf.Text{
				EN: "Ask who plugged it in. Enter it as a binding with who is responsible, or take it off.",
				ZH: "询问接入者；登记绑定并明确责任人，或将其断开。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 3.1", "ISO/IEC 27001:2022 A.8.20", "MITRE ATT&CK T1200", "GB/T 22239-2019 8.1.10.2", "ISO/IEC 27001:2022 A.5.9", "IEC 62443-3-3 SR 7.8"},
		},
		{
			kind: asset.FlipFlop, severity: ocsf.SeverityMedium, risk: 35, weak: true,
			title: ocsf.Text{EN: "An address goes to and fro", ZH: "地址来回变换"},
			why: ocsf.Text{
				EN: "An address changes between two devices again and again: a conflict, a poisoning attack that its victim answers, or a badly set team of network cards.",
				ZH: "同一地址在两台设备间反复变换：可能是冲突、受害者正在回应的投毒，或网卡组配置错误。",
			},
			advice: ocsf.Text{
				EN: "Look which of the two should have the address. If they are one machine, enter them as a team.",
				ZH: "确认哪一台应当拥有该地址；若为同一机器的两块网卡，请登记为网卡组。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 3.1", "ISO/IEC 27001:2022 A.8.20", "MITRE ATT&CK T1557.002"},
		},
	}
}

// placeKinds are about devices where they should not be.
func placeKinds() []networkKind {
	return []networkKind{
		{
			kind: asset.BridgingHost, severity: ocsf.SeverityHigh, risk: 70,
			weakFor: []string{binding.WhyVLANs},
			title:   ocsf.Text{EN: "One device with feet in two zones", ZH: "跨区域双网卡主机"},
			why: ocsf.Text{
				EN: "A device stands in two zones at once or passes traffic between them, past every rule in between. What enters one zone is in the other.",
				ZH: "设备同时处于两个区域或在其间转发流量，绕过全部隔离规则；一侧失陷即殃及另一侧。",
			},
			advice: ocsf.Text{
				EN: "Take one of its cables out, or declare it a router with an owner and rules of its own.",
				ZH: "拔除其中一条网线；确需保留的，登记为路由器并落实责任人与规则。",
			},
			references: []string{"GB/T 22239-2019 8.1.2.1", "IEC 62443-3-3 SR 5.1", "ISO/IEC 27001:2022 A.8.22", "MITRE ATT&CK T1599"},
		},
		{
			kind: asset.MovedDevice, severity: ocsf.SeverityMedium, risk: 45,
			title: ocsf.Text{EN: "Medical device in another network", ZH: "医疗设备接入异常网段"},
			why: ocsf.Text{
				EN: "A medical device shows up in another network than the one it is bound to: moved without a word, or plugged in where nothing protects it.",
				ZH: "医疗设备出现在绑定之外的网段：未报备移动，或插到了没有防护的端口。",
			},
			advice: ocsf.Text{
				EN: "Ask the department; then move it back, or change its binding.",
				ZH: "询问科室；复位或更新绑定。",
			},
			references: []string{"GB/T 22239-2019 8.1.2.1", "IEC 62443-3-3 SR 5.1", "ISO/IEC 27001:2022 A.8.22", "GB/T 22239-2019 8.1.10.2", "ISO/IEC 27001:2022 A.5.9", "IEC 62443-3-3 SR 7.8"},
		},
		{
			kind: asset.StaffOnGuest, severity: ocsf.SeverityMedium, risk: 40,
			title: ocsf.Text{EN: "Device of the hospital on the guest network", ZH: "院内设备接入访客网络"},
			why: ocsf.Text{
				EN: "A device that somebody of the hospital answers for joined a network for patients and visitors: there strangers reach it, and what it sends passes by the hospital's controls.",
				ZH: "院内登记有责任人的设备接入了患者与访客使用的网络：陌生人可接触到它，其流量也绕过院内管控。",
			},
			advice: ocsf.Text{
				EN: "Ask who answers for it; forget the guest network on the device, and look why it left its own.",
				ZH: "询问责任人；在设备上删除该访客网络，并查明其离开原网络的原因。",
			},
			args:       ocsf.Text{EN: "It belongs to {0} and joined {1}, which is for guests", ZH: "属于 {0}，接入了访客网络 {1}"},
			references: []string{"GB/T 22239-2019 8.1.2.1", "IEC 62443-3-3 SR 5.1", "ISO/IEC 27001:2022 A.8.22", "IEC 62443-3-3 SR 2.2"},
		},
	}
}

// airKinds are what collect/wireless finds.
func airKinds() []networkKind {
	return []networkKind{
		{
			kind: asset.RogueAP, severity: ocsf.SeverityHigh, risk: 65,
			weakFor: []string{"unlisted"},
			title:   ocsf.Text{EN: "Unlisted access point", ZH: "非法接入点"},
			why: ocsf.Text{
				EN: "An access point that nobody listed offers our network's name, or stands on our cable: a way into the network past all doors.",
				ZH: "未登记的接入点使用本院网络名称，或接在本院网线上：绕过一切边界的入口。",
			},
			advice: ocsf.Text{
				EN: "Find it by signal and switch port; take it off, or list it.",
				ZH: "按信号与交换机端口定位；拆除或登记。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 1.6", "IEC 62443-3-3 SR 2.2", "MITRE ATT&CK T1200"},
		},
		{
			kind: asset.EvilTwin, severity: ocsf.SeverityHigh, risk: 80,
			title: ocsf.Text{EN: "Evil twin of our wireless network", ZH: "无线“孪生”钓鱼热点"},
			why: ocsf.Text{
				EN: "An access point imitates ours, so that staff's devices join it by themselves and hand over what they send.",
				ZH: "有接入点冒充本院热点，员工设备会自动连接并交出所发内容。",
			},
			advice: ocsf.Text{
				EN: "Find it by signal. Tell staff not to confirm certificates. Let no device join without checking the server's certificate.",
				ZH: "按信号定位；提醒员工勿确认证书警告；要求终端校验服务器证书。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 1.6", "IEC 62443-3-3 SR 2.2", "MITRE ATT&CK T1557.004"},
		},
		{
			kind: asset.OpenNetwork, severity: ocsf.SeverityHigh, risk: 70,
			title: ocsf.Text{EN: "Wireless network with weaker protection", ZH: "无线网络保护降级"},
			why: ocsf.Text{
				EN: "One of our networks is offered with weaker protection than it has: a mistake in the settings, or bait.",
				ZH: "本院网络以低于既定的保护强度出现：配置错误，或是诱饵。",
			},
			advice: ocsf.Text{
				EN: "Compare the access point's settings; if it is none of ours, treat it as an evil twin.",
				ZH: "核对接入点配置；若非本院设备，按钓鱼热点处置。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 1.6", "IEC 62443-3-3 SR 2.2", "GB/T 22239-2019 8.1.2.2", "IEC 62443-3-3 SR 4.1", "ISO/IEC 27001:2022 A.8.24"},
		},
		{
			kind: asset.DeauthFlood, severity: ocsf.SeverityHigh, risk: 70,
			title: ocsf.Text{EN: "Stations thrown off the wireless network", ZH: "无线断连攻击"},
			why: ocsf.Text{
				EN: "Frames that throw stations off come in numbers, in an access point's name: monitors and infusion pumps lose their network, or handshakes are to be captured.",
				ZH: "大量冒用接入点名义的断连帧：监护仪、输液泵断网，或有人在捕获握手包。",
			},
			advice: ocsf.Text{
				EN: "Look which stations are medical and whether they came back. Require protected management frames (802.11w).",
				ZH: "核实受影响的医疗设备是否恢复；启用管理帧保护（802.11w）。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 1.6", "IEC 62443-3-3 SR 2.2", "MITRE ATT&CK T1498"},
		},
		{
			kind: asset.Karma, severity: ocsf.SeverityHigh, risk: 75,
			title: ocsf.Text{EN: "Access point that answers to any name", ZH: "应答任意名称的热点"},
			why: ocsf.Text{
				EN: "One access point answers to whatever network a device asks for, so that telephones and laptops join it by themselves.",
				ZH: "同一接入点对任何被询问的网络名都作答，诱使手机与笔记本自动连接。",
			},
			advice: ocsf.Text{
				EN: "Find it by signal. Remove open networks from the devices' lists.",
				ZH: "按信号定位；清除终端中保存的开放网络。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.1", "IEC 62443-3-3 SR 1.6", "IEC 62443-3-3 SR 2.2", "MITRE ATT&CK T1557.004"},
		},
	}
}

// clearKinds are about what passes in clear.
func clearKinds() []networkKind {
	return []networkKind{
		{
			kind: asset.ClearPatientData, severity: ocsf.SeverityMedium, risk: 35, weak: true, byIP: true,
			title: ocsf.Text{EN: "Patient data unencrypted on the wire", ZH: "患者数据明文传输"},
			why: ocsf.Text{
				EN: "Patient data passes unencrypted: whoever stands on the way reads it. None of it was kept.",
				ZH: "患者数据以明文传输，途经者均可读取。系统未留存任何内容。",
			},
			advice: ocsf.Text{
				EN: "Turn on TLS at both ends, or put the pair into a protected conduit.",
				ZH: "两端启用 TLS，或将其纳入受保护的通道。",
			},
			args:       ocsf.Text{EN: "Protocol: {0}", ZH: "协议：{0}"},
			references: []string{"GB/T 22239-2019 8.1.2.2", "IEC 62443-3-3 SR 4.1", "ISO/IEC 27001:2022 A.8.24", "45 CFR 164.312(e)(1)", "GB/T 22239-2019 8.1.2.1", "IEC 62443-3-3 SR 5.1", "ISO/IEC 27001:2022 A.8.22"},
		},
		{
			kind: asset.ClearPassword, severity: ocsf.SeverityMedium, risk: 40, weak: true, byIP: true,
			title: ocsf.Text{EN: "Password unencrypted on the wire", ZH: "口令明文传输"},
			why: ocsf.Text{
				EN: "Somebody signs in unencrypted: whoever stands on the way can use the account. The password was not kept.",
				ZH: "登录未加密，途经者可盗用账号。系统未留存口令。",
			},
			advice: ocsf.Text{
				EN: "Turn on encryption, and change the password.",
				ZH: "启用加密并更换口令。",
			},
			args:       ocsf.Text{EN: "Protocol: {0}", ZH: "协议：{0}"},
			references: []string{"GB/T 22239-2019 8.1.2.2", "IEC 62443-3-3 SR 4.1", "ISO/IEC 27001:2022 A.8.24", "IEC 62443-3-3 SR 1.2", "45 CFR 164.312(d)"},
		},
		{
			kind: asset.OldTLS, severity: ocsf.SeverityLow, risk: 20, weak: true, byIP: true,
			title: ocsf.Text{EN: "Outdated TLS", ZH: "过时的 TLS 版本"},
			why: ocsf.Text{
				EN: "A connection uses a version of TLS below 1.2, which can be broken.",
				ZH: "连接使用低于 1.2 的 TLS，可被攻破。",
			},
			advice: ocsf.Text{
				EN: "Update or replace the end that knows no better; until then keep the pair in a conduit of its own.",
				ZH: "升级或更换不支持新版的一端；此前将双方限制在专用通道内。",
			},
			args:       ocsf.Text{EN: "TLS {0}, server {1}", ZH: "TLS {0}，服务器 {1}"},
			references: []string{"GB/T 22239-2019 8.1.2.2", "IEC 62443-3-3 SR 4.1", "ISO/IEC 27001:2022 A.8.24", "RFC 8996"},
		},
		{
			kind: asset.Certificate, severity: ocsf.SeverityLow, risk: 20, weak: true, byIP: true,
			title: ocsf.Text{EN: "Certificate expires", ZH: "证书到期"},
			why: ocsf.Text{
				EN: "A server's certificate has expired or will soon: then connections fail, or people learn to ignore warnings.",
				ZH: "服务器证书已过期或即将过期：连接将失败，或使人习惯忽略告警。",
			},
			advice: ocsf.Text{
				EN: "Renew it before the date.",
				ZH: "在到期前更新。",
			},
			args:       ocsf.Text{EN: "Certificate {0}, valid until {1}", ZH: "证书 {0}，有效期至 {1}"},
			references: []string{"GB/T 22239-2019 8.1.2.2", "IEC 62443-3-3 SR 4.1", "ISO/IEC 27001:2022 A.8.24"},
		},
	}
}

// clinicalKinds are about DICOM, HL7, SQL and management on the wire.
func clinicalKinds() []networkKind {
	return []networkKind{
		{
			kind: asset.UnknownAETitle, severity: ocsf.SeverityMedium, risk: 45, byIP: true,
			title: ocsf.Text{EN: "Unknown DICOM application", ZH: "未知的 DICOM 应用"},
			why: ocsf.Text{
				EN: "An AE title calls a PACS from an address it never used before: a new device, or somebody who tries names.",
				ZH: "AE 名称从未用过的地址呼叫 PACS：新设备，或有人在试探名称。",
			},
			advice: ocsf.Text{
				EN: "Ask imaging whether a device was added or moved; else isolate it.",
				ZH: "向影像科核实是否新增或移动设备；否则予以隔离。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.2", "45 CFR 164.312(a)(1)", "DICOM PS3.15"},
		},
		{
			kind: asset.DICOMSweep, severity: ocsf.SeverityHigh, risk: 65, byIP: true,
			weakFor: []string{"often"},
			title:   ocsf.Text{EN: "Images searched in bulk", ZH: "批量检索影像"},
			why: ocsf.Text{
				EN: "A device asks a PACS for everything, or for very much, as no viewer and no modality does.",
				ZH: "设备向 PACS 检索全部或大量内容，阅片端与成像设备均不会如此。",
			},
			advice: ocsf.Text{
				EN: "Look what it is and whose; stop it before it fetches.",
				ZH: "查明设备与使用者，在其调取前制止。",
			},
			args:       ocsf.Text{EN: "How: {0}", ZH: "方式：{0}"},
			references: []string{"GB/T 22239-2019 8.1.3.2", "45 CFR 164.312(a)(1)", "DICOM PS3.15"},
		},
		{
			kind: asset.DICOMMove, severity: ocsf.SeverityMedium, risk: 50, byIP: true,
			title: ocsf.Text{EN: "Images sent to a new destination", ZH: "影像发往新目的地"},
			why: ocsf.Text{
				EN: "A PACS was told to send studies to a destination that never got any before.",
				ZH: "PACS 被要求将检查发送到从未用过的目的地。",
			},
			advice: ocsf.Text{
				EN: "Ask who configured the destination, and for what.",
				ZH: "询问由谁、为何配置该目的地。",
			},
			args:       ocsf.Text{EN: "Destination: {0}", ZH: "目的地：{0}"},
			references: []string{"GB/T 22239-2019 8.1.3.2", "45 CFR 164.312(a)(1)", "DICOM PS3.15"},
		},
		{
			kind: asset.UnknownSender, severity: ocsf.SeverityMedium, risk: 50, byIP: true,
			title: ocsf.Text{EN: "Unknown sender of HL7 messages", ZH: "未知的 HL7 发送方"},
			why: ocsf.Text{
				EN: "Messages of an application come from an address it never used before, or of an application nobody knows: orders and results could be forged.",
				ZH: "某应用的消息来自从未用过的地址，或来自未知应用：医嘱与结果可能被伪造。",
			},
			advice: ocsf.Text{
				EN: "Ask the integration engine's owner; then list it, or block it there.",
				ZH: "向集成平台负责人核实；登记或在平台阻断。",
			},
			args:       ocsf.Text{EN: "Facility: {0}", ZH: "机构：{0}"},
			references: []string{"GB/T 22239-2019 8.1.3.2", "45 CFR 164.312(a)(1)", "IEC 62443-3-3 SR 1.2", "45 CFR 164.312(d)"},
		},
		{
			kind: asset.DirectSQL, severity: ocsf.SeverityHigh, risk: 60, byIP: true,
			title: ocsf.Text{EN: "Database asked past its application", ZH: "绕过应用直连数据库"},
			why: ocsf.Text{
				EN: "A device talks to a database that it never asked before, past the application that checks who may see what.",
				ZH: "设备直连从未访问过的数据库，绕过负责权限校验的应用。",
			},
			advice: ocsf.Text{
				EN: "Ask whose account it is and for what; allow the database only from its application servers.",
				ZH: "核实账号使用者与目的；仅允许应用服务器访问数据库。",
			},
			args:       ocsf.Text{EN: "{0}, account {1}, database {2}", ZH: "{0}，账号 {1}，数据库 {2}"},
			references: []string{"GB/T 22239-2019 8.1.3.2", "45 CFR 164.312(a)(1)", "GB/T 22239-2019 8.1.2.1", "IEC 62443-3-3 SR 5.1", "ISO/IEC 27001:2022 A.8.22"},
		},
		{
			kind: asset.SNMPDefault, severity: ocsf.SeverityLow, risk: 25, weak: true, byIP: true,
			title: ocsf.Text{EN: "Default SNMP community", ZH: "SNMP 默认团体名"},
			why: ocsf.Text{
				EN: "A device answers to the SNMP community that everybody knows: its settings can be read, often changed.",
				ZH: "设备接受众所周知的 SNMP 团体名：配置可被读取，往往可被修改。",
			},
			advice: ocsf.Text{
				EN: "Change the community, or turn to SNMPv3; allow it from management only.",
				ZH: "更换团体名或改用 SNMPv3，并仅限管理网访问。",
			},
			args:       ocsf.Text{EN: "Community {0}", ZH: "团体名 {0}"},
			references: []string{"IEC 62443-3-3 SR 1.2", "45 CFR 164.312(d)", "GB/T 22239-2019 8.1.2.2", "IEC 62443-3-3 SR 4.1", "ISO/IEC 27001:2022 A.8.24"},
		},
	}
}

// zoneKinds are what package zone finds.
func zoneKinds() []networkKind {
	return []networkKind{
		{
			kind: asset.ZoneViolation, severity: ocsf.SeverityMedium, risk: 40, byIP: true,
			title: ocsf.Text{EN: "Conversation that no conduit allows", ZH: "违反区域策略的通信"},
			why: ocsf.Text{
				EN: "A conversation between two zones is allowed by no conduit. It passed, as the policy there is not yet enforced.",
				ZH: "两区域间的通信不在任何通道许可之内；因策略尚未强制执行而通过。",
			},
			advice: ocsf.Text{
				EN: "Add a conduit with owner and reason, or stop it before enforcing.",
				ZH: "补充通道并注明责任人与理由，或在强制执行前停用。",
			},
			args:       ocsf.Text{EN: "From zone {0} to {1}: {2}", ZH: "从区域 {0} 到 {1}：{2}"},
			references: []string{"GB/T 22239-2019 8.1.2.1", "IEC 62443-3-3 SR 5.1", "ISO/IEC 27001:2022 A.8.22", "GB/T 22239-2019 8.1.3.2", "IEC 62443-3-3 SR 5.2"},
		},
		{
			kind: asset.ZoneDenied, severity: ocsf.SeverityLow, risk: 30, weak: true, byIP: true,
			title: ocsf.Text{EN: "Conversation dropped between zones", ZH: "跨区通信被阻断"},
			why: ocsf.Text{
				EN: "The rules dropped a conversation that no conduit allows. Few are mistakes; many from one device are a scan.",
				ZH: "规则阻断了未获许可的通信。少量多为误配；同一设备大量出现则为扫描。",
			},
			advice: ocsf.Text{
				EN: "Look what the device wanted there; where it should be allowed, add a conduit.",
				ZH: "查明其意图；确需放行的补充通道。",
			},
			args:       ocsf.Text{EN: "From zone {0} to {1}: {2}", ZH: "从区域 {0} 到 {1}：{2}"},
			references: []string{"GB/T 22239-2019 8.1.2.1", "IEC 62443-3-3 SR 5.1", "ISO/IEC 27001:2022 A.8.22", "GB/T 22239-2019 8.1.3.2", "IEC 62443-3-3 SR 5.2"},
		},
		{
			kind: asset.QuarantineTry, severity: ocsf.SeverityMedium, risk: 40, weak: true, byIP: true,
			title: ocsf.Text{EN: "Isolated device goes on trying", ZH: "被隔离设备持续尝试"},
			why: ocsf.Text{
				EN: "A device in quarantine goes on trying to talk: what it was isolated for is still at work in it.",
				ZH: "隔离中的设备仍在尝试通信：致其被隔离的问题依然存在。",
			},
			advice: ocsf.Text{
				EN: "Leave it isolated; have it examined before it comes back.",
				ZH: "保持隔离，检查后方可恢复。",
			},
			references: []string{"GB/T 22239-2019 8.1.3.2", "IEC 62443-3-3 SR 5.2"},
		},
	}
}

// deviceKinds are what package asset and other sensors find.
func deviceKinds() []networkKind {
	return []networkKind{
		{
			kind: asset.NewDevice, severity: ocsf.SeverityLow, risk: 15, weak: true,
			title: ocsf.Text{EN: "New device", ZH: "新设备接入"},
			why: ocsf.Text{
				EN: "A device that was never seen before is on the network.",
				ZH: "网络上出现从未见过的设备。",
			},
			advice: ocsf.Text{
				EN: "Give it an owner, or take it off.",
				ZH: "落实责任人，或将其断开。",
			},
			args:       ocsf.Text{EN: "It looks like: {0}", ZH: "疑似：{0}"},
			references: []string{"GB/T 22239-2019 8.1.10.2", "ISO/IEC 27001:2022 A.5.9", "IEC 62443-3-3 SR 7.8", "MITRE ATT&CK T1200"},
		},
		{
			kind: asset.AgingDevice, severity: ocsf.SeverityLow, risk: 20, weak: true,
			title: ocsf.Text{EN: "Device past its support", ZH: "设备超出支持期"},
			why: ocsf.Text{
				EN: "A device is past its end of life or support: weaknesses found from now on stay.",
				ZH: "设备已超出生命周期或支持期：此后发现的漏洞将无法修复。",
			},
			advice: ocsf.Text{
				EN: "Plan its replacement; until then keep it in a zone of its own.",
				ZH: "安排更换；此前将其置于独立区域。",
			},
			args:       ocsf.Text{EN: "{0}: {1}", ZH: "{0}：{1}"},
			references: []string{"GB/T 22239-2019 8.1.10.2", "ISO/IEC 27001:2022 A.5.9", "IEC 62443-3-3 SR 7.8", "GB/T 22239-2019 8.1.10.5", "ISO/IEC 27001:2022 A.8.8"},
		},
		{
			kind: asset.WeakSoftware, severity: ocsf.SeverityMedium, risk: 30, weak: true,
			title: ocsf.Text{EN: "Device with a known vulnerability", ZH: "设备存在已知漏洞"},
			why: ocsf.Text{
				EN: "Software on a device has a known vulnerability.",
				ZH: "设备上的软件存在已知漏洞。",
			},
			advice: ocsf.Text{
				EN: "Update it, or ask the maker; until then narrow what may reach it.",
				ZH: "升级或咨询厂商；此前收窄可访问它的范围。",
			},
			args:       ocsf.Text{EN: "{0} in {1}, exploited: {2}", ZH: "{0}，组件 {1}，是否已被利用：{2}"},
			references: []string{"GB/T 22239-2019 8.1.10.5", "ISO/IEC 27001:2022 A.8.8"},
		},
		{
			kind: asset.NewService, severity: ocsf.SeverityMedium, risk: 45,
			weakFor: []string{"other"},
			title:   ocsf.Text{EN: "Device opens a new service", ZH: "设备开放新服务"},
			why: ocsf.Text{
				EN: "A device that is known for long answers on a port where it never did: an update, remote maintenance that was left open, or somebody who settled in. Of medical devices it is always asked about.",
				ZH: "早已知晓的设备在从未使用过的端口上应答：可能是升级、遗留的远程维护，或已被植入。医疗设备一律核实。",
			},
			advice: ocsf.Text{
				EN: "Ask the maker or whoever is responsible; where nobody knows of it, let no conduit reach that port, and have the device examined.",
				ZH: "向厂商或责任人核实；无人知晓的，禁止任何通道访问该端口，并检查设备。",
			},
			args:       ocsf.Text{EN: "It now answers on {1}; it is taken for: {2}", ZH: "现于 {1} 应答；设备类型：{2}"},
			references: []string{"GB/T 22239-2019 8.1.4.4", "ISO/IEC 27001:2022 A.8.20", "IEC 62443-3-3 SR 7.7", "MITRE ATT&CK T1133"},
		},
		{
			kind: asset.ChangedKind, severity: ocsf.SeverityHigh, risk: 60,
			title: ocsf.Text{EN: "Device behaves like another kind", ZH: "设备行为突变"},
			why: ocsf.Text{
				EN: "An address or MAC suddenly behaves like another kind of device: somebody took the place of a device that is trusted.",
				ZH: "某地址或 MAC 突然表现为另一类设备：可信设备可能已被替换冒充。",
			},
			advice: ocsf.Text{
				EN: "Look at the device itself. If it was replaced, say so in the inventory.",
				ZH: "现场核对设备；如已更换，请更新台账。",
			},
			args:       ocsf.Text{EN: "It was {0}, and now looks like {1}", ZH: "原为 {0}，现疑似 {1}"},
			references: []string{"IEC 62443-3-3 SR 1.2", "45 CFR 164.312(d)", "MITRE ATT&CK T1200"},
		},
		{
			kind: asset.IDSAlert, severity: ocsf.SeverityMedium, risk: 30, weak: true, byIP: true,
			title: ocsf.Text{EN: "Alert of an intrusion detection system", ZH: "入侵检测系统告警"},
			why: ocsf.Text{
				EN: "Zeek or Suricata found a pattern of an attack. It knows patterns and not the hospital.",
				ZH: "Zeek 或 Suricata 发现攻击特征；其了解特征而不了解医院业务。",
			},
			advice: ocsf.Text{
				EN: "Look at the device with what else was found about it.",
				ZH: "结合该设备的其他发现综合判断。",
			},
			args:       ocsf.Text{EN: "{0} ({1}), priority {2}", ZH: "{0}（{1}），优先级 {2}"},
			references: []string{"GB/T 22239-2019 8.1.3.2", "IEC 62443-3-3 SR 5.2"},
		},
	}
}
