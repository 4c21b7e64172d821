#!/usr/bin/env bash
# Installs what the tests need beside Go, when run as root on a system with apt.
# Otherwise it changes nothing and says what is missing and which tests will
# therefore be skipped. Always ends well: missing things skip tests, not builds.
set -u

missing=()
note() { printf 'deps: %s\n' "$*" >&2; }

# need PACKAGE TEST-THAT-IT-IS-THERE WHAT-IS-SKIPPED-WITHOUT-IT
need() {
	eval "$2" >/dev/null 2>&1 || missing+=("$1|$3")
}

find_program() { PATH="$PATH:/usr/sbin:/sbin:/usr/local/sbin" command -v "$1"; }

check() {
	missing=()
	need gcc 'find_program gcc || find_program clang' 'everything that links the lake (DuckDB needs a C compiler)'
	need g++ 'find_program g++ || find_program clang++' 'everything that links the lake (DuckDB needs the C++ library)'
	need postgresql 'ls /usr/lib/postgresql/*/bin/postgres || find_program postgres' 'store and polled sources on PostgreSQL; its statements on the wire'
	need mariadb-server 'find_program mariadbd || find_program mysqld' 'polled sources on MariaDB; its statements on the wire'
	need slapd 'find_program slapd' 'directory sync and account suspension against a real LDAP server'
	need ldap-utils 'find_program ldapadd' 'directory sync and account suspension against a real LDAP server'
	need chromium 'find_program chromium || find_program chromium-browser || find_program google-chrome' 'console pages in a browser'
	need fonts-noto-cjk 'ls /usr/share/fonts/opentype/noto/NotoSansCJK* || fc-list :lang=zh | grep .' 'nothing, but Chinese is drawn as boxes in screenshots'
	need p7zip-full 'find_program 7z' 'archives made by 7z, encrypted ones among them'
	need dcmtk 'find_program dcmdump && find_program dcmdjpeg' 'an independent reader of the DICOM files we write, and decoder of their pixels; DICOM on the wire'
	need tesseract-ocr 'find_program tesseract' 'reading writing in images'
	need iproute2 'find_program ip' 'everything that is tested in network namespaces'
	need nftables 'find_program nft' 'zones enforced in the kernel, quarantine, the guard of a bridge'
	need hostapd 'find_program hostapd' 'RADIUS Disconnect against a real 802.1X authenticator'
	need wpasupplicant 'find_program wpa_supplicant' 'RADIUS Disconnect against a real 802.1X client'
	need dnsmasq-base 'find_program dnsmasq' 'DHCP of a real server, as the sensor sees it'
	need udhcpc 'find_program udhcpc' 'DHCP of a real client, as the sensor sees it'
	need iputils-arping 'find_program arping' 'duplicate address detection, as the sensor sees it'
	need iputils-ping 'find_program ping' 'machines that talk, as the sensor sees them'
	need zstd 'find_program zstd' 'the public captures of ../shared'
	need openssl 'find_program openssl' 'TLS of a real server and client, as the sensor sees it'
	need snmpd 'find_program snmpd' 'SNMP of a real agent, as the sensor sees it'
	need snmp 'find_program snmpget' 'SNMP of a real manager, as the sensor sees it'
	need tshark 'find_program tshark && find_program capinfos' 'an independent reader of captures, beside ours'
	need tcpdump 'find_program tcpdump' 'the sensor against DCMTK, MariaDB and PostgreSQL; tcpdump beside it in make bench-capture'
	need ripgrep 'find_program rg' 'ripgrep beside the scanner in make bench-scan'
	need libre2-dev 'ls /usr/include/re2/re2.h' 'RE2 beside the scanner in make bench-scan'
}

packages() { printf '%s\n' "${missing[@]}" | cut -d'|' -f1; }

check
[ ${#missing[@]} -eq 0 ] && exit 0

if [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
	note "installing $(packages | tr '\n' ' ')"
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq </dev/null >&2 || note "apt-get update failed; trying with the lists at hand"
	# One at a time if all at once fails, so that one bad package costs only its own tests.
	# shellcheck disable=SC2046
	apt-get install -y -qq --no-install-recommends $(packages) </dev/null >&2 ||
		for p in $(packages); do
			apt-get install -y -qq --no-install-recommends "$p" </dev/null >&2 || note "could not install $p"
		done
	check
	[ ${#missing[@]} -eq 0 ] && exit 0
fi

note "missing, and what is skipped without it:"
printf '%s\n' "${missing[@]}" | while IFS='|' read -r package what; do
	note "  $package: $what"
done
note "to have all tests: sudo apt-get install $(packages | tr '\n' ' ')"
exit 0
