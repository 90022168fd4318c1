# SPDX-License-Identifier: Apache-2.0
# Sourced by tests/vm/run and tests/peer/pynfs: an NFS server on this machine, on a port of its own, with all its files
# below $server_dir.  $server_kind is lamina or ganesha, $server_port where it listens (127.0.0.1 and all else).
# A supervisor restarts the server as soon as it ends, until server_stop.

server_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

server_free_port() {
	python3 -c 'import socket
s = socket.socket()
s.bind(("0.0.0.0", 0))
print(s.getsockname()[1])'
}

# Packages that are missing, installed after saying so.
server_packages() {
	local name missing=()
	for name in "$@"; do
		dpkg-query -W -f '${db:Status-Status}\n' "$name" 2>/dev/null | grep -qx installed || missing+=("$name")
	done
	[ ${#missing[@]} = 0 ] && return
	echo "installing Debian packages: ${missing[*]}"
	if [ "$(id -u)" != 0 ]; then
		echo "only root can install them: apt-get install ${missing[*]}" >&2
		return 1
	fi
	apt-get -qq -o DPkg::Lock::Timeout=300 update >/dev/null || true
	DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 --no-install-recommends install "${missing[@]}" >/dev/null
}

# What there must be before the first start: the volume, the configuration, and in $server_dir/command the command.
server_prepare() {
	mkdir -p "$server_dir"
	echo "$server_port" >"$server_dir/port"
	case $server_kind in
	lamina) server_prepare_lamina ;;
	ganesha) server_prepare_ganesha ;;
	*) echo "no such server: $server_kind" >&2; return 1 ;;
	esac
}

server_prepare_lamina() {
	local lamina=${LAMINA:-$server_root/build/release/lamina}
	[ -x "$lamina" ] || { echo "no $lamina: build it first (tools/quickstart)" >&2; return 1; }
	truncate -s "${server_size:-8G}" "$server_dir/volume"
	"$lamina" format -q -f "$server_dir/volume" || return 1
	cat >"$server_dir/lamina.conf" <<-END
		devices = [ "$server_dir/volume" ];
		listen = [ "*:$server_port" ];
		control = "$server_dir/control";
		lease_seconds = ${server_lease:-30};
		grace_seconds = ${server_grace:-30};
		delegations = "${server_delegations:-none}";
		exports = ( { path = "/"; clients = ( { hosts = [ "*" ]; squash = "none"; } ); } );
	END
	"$lamina" serve --check-config -c "$server_dir/lamina.conf" >/dev/null || return 1
	echo "exec '$lamina' serve -c '$server_dir/lamina.conf' \$(cat '$server_dir/once' 2>/dev/null; rm -f '$server_dir/once')" >"$server_dir/command"
}

# ganesha's VFS back end needs a file system with file handles: XFS in a file.
server_prepare_ganesha() {
	server_packages nfs-ganesha nfs-ganesha-vfs xfsprogs || return 1
	truncate -s "${server_size:-8G}" "$server_dir/volume"
	mkfs.xfs -q -f "$server_dir/volume" && mkdir -p "$server_dir/export" || return 1
	mount -o loop "$server_dir/volume" "$server_dir/export" || return 1
	chmod 777 "$server_dir/export"
	cat >"$server_dir/ganesha.conf" <<-END
		NFS_Core_Param { NFS_Port = $server_port; Protocols = 4; Enable_UDP = false; Enable_NLM = false; Enable_RQUOTA = false;
			NSM_Use_Caller_Name = false; Bind_addr = 0.0.0.0; allow_set_io_flusher_fail = true; }
		NFSv4 { Minor_Versions = 1, 2; Lease_Lifetime = ${server_lease:-30}; Grace_Period = 5; Graceless = true;
			RecoveryRoot = "$server_dir/recovery"; Only_Numeric_Owners = true; }
		EXPORT { Export_Id = 1; Path = "$server_dir/export"; Pseudo = "/export"; Protocols = 4; Access_Type = RW; Squash = None;
			SecType = sys; FSAL { Name = VFS; } }
		LOG { Default_Log_Level = WARN; }
	END
	mkdir -p "$server_dir/recovery"
	echo "exec ganesha.nfsd -F -L '$server_dir/log' -f '$server_dir/ganesha.conf' -p '$server_dir/ganesha.pid'" >"$server_dir/command"
}

# The path a client mounts.
server_path() {
	case $server_kind in
	ganesha) echo /export ;;
	*) echo / ;;
	esac
}

server_answers() {
	"$server_root/tests/peer/nfs_null" "$server_port"
}

# Restarts the server whenever it ends.  More than 5 ends by themselves in a row (not from kill -9) are not mended.
server_supervise() {
	local result bad=0
	while [ ! -e "$server_dir/stop" ]; do
		bash "$server_dir/command" >>"$server_dir/log" 2>&1 &
		echo $! >"$server_dir/pid"
		wait $!
		result=$?
		[ -e "$server_dir/stop" ] && break
		echo "server ended with $result, $(date +%T.%N)" >>"$server_dir/ends"
		[ "$result" = 137 ] && continue
		bad=$((bad + 1))
		[ "$bad" -gt 5 ] && break
		sleep 0.2
	done
}

server_start() {
	local tries
	rm -f "$server_dir/stop" "$server_dir/ends"
	server_supervise 2>/dev/null </dev/null &
	server_supervisor=$!
	for tries in $(seq 100); do
		server_answers && return
		sleep 0.1
	done
	echo "the server does not answer on port $server_port; the end of its log:" >&2
	tail -20 "$server_dir/log" >&2
	return 1
}

server_kill() {
	kill -9 "$(cat "$server_dir/pid")" 2>/dev/null
}

server_stop() {
	[ -n "${server_supervisor:-}" ] || return 0
	touch "$server_dir/stop"
	kill -TERM "$(cat "$server_dir/pid")" 2>/dev/null
	local tries
	for tries in $(seq 50); do
		kill -0 "$(cat "$server_dir/pid")" 2>/dev/null || break
		sleep 0.1
	done
	server_kill
	wait "$server_supervisor" 2>/dev/null
	server_supervisor=
	[ "$server_kind" = ganesha ] && umount "$server_dir/export"
	return 0
}
