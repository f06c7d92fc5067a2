# Processes that outlive the command that started them, each with a log, its process id and the command that starts it again.
# shellcheck shell=bash disable=SC2154 # `rig` sets the variables

launch() { # NAME COMMAND...
  local name=$1
  shift
  printf '%q ' "$@" >"$run/$name.command"
  (cd "$run" && exec setsid nohup "$@" >>"$run/$name.log" 2>&1 </dev/null) &
  echo $! >"$run/$name.pid"
  # Its end is no news for the shell to print.
  disown
}

alive() { # PID
  case $(ps -o stat= -p "$1" 2>/dev/null) in '' | Z*) return 1 ;; esac
}

running() { # NAME
  [ -f "$run/$1.pid" ] && alive "$(cat "$run/$1.pid")"
}

stop() { # NAME: asks first, insists after five seconds
  local file=$run/$1.pid pid
  [ -f "$file" ] || return 0
  pid=$(cat "$file")
  rm -f "$file"
  # One that is frozen hears nothing.
  kill "$pid" 2>/dev/null || return 0
  kill -CONT "$pid" 2>/dev/null || return 0
  for _ in {1..50}; do
    alive "$pid" || return 0
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
}

start_again() { # NAME
  [ -f "$run/$1.command" ] || { say "there is no $1 here" && return 1; }
  running "$1" && return
  eval "launch $1 $(cat "$run/$1.command")"
  case $1 in
    apiserver) wait_for apiserver 300 "the API server" kubectl get --raw /readyz ;;
    etcd) wait_for etcd 120 etcd etcd_is_ready ;;
  esac
}

# The seconds are for a machine that does ten other things; whoever dies is given up at once.
wait_for() { # NAME SECONDS WHAT COMMAND...: until the command succeeds, as long as the process NAME lives
  local name=$1 until=$((SECONDS + $2)) what=$3
  shift 3
  until "$@" >/dev/null 2>&1; do
    if [ $SECONDS -ge $until ] || ! running "$name"; then
      say "$what did not come up; the end of $run/$name.log:"
      tail -n 5 "$run/$name.log" >&2
      return 1
    fi
    sleep 0.1
  done
}
