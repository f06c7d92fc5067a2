{{/*
What the proxies' configuration decides about the rest: ports, and the time that a pod needs to stop.
*/}}

{{/* The proxies' sluicegate.yaml: the user's, with what the chart knows better. */}}
{{- define "sluicegate.proxyConfig" -}}
{{- $controller := include "sluicegate.controllerHost" . -}}
{{- $fixed := dict
  "admin" (dict "address" "127.0.0.1:9901")
  "observe" (dict "address" "0.0.0.0:9902")
  "controller" (dict
    "url" (printf "https://%s:8443" $controller)
    "caFile" "/var/run/sluicegate/ca/ca.crt"
    "tokenFile" "/var/run/secrets/sluicegate/token")
  "savedTable" "/var/lib/sluicegate/table.json" -}}
{{- toYaml (merge $fixed .Values.proxy.config) -}}
{{- end }}

{{/* The listeners as a list of {name, port, servicePort}, in YAML. */}}
{{- define "sluicegate.ports" -}}
{{- $seen := dict -}}
{{- $service := .Values.proxy.service -}}
{{- range .Values.proxy.config.listeners }}
{{- $port := regexFind "[0-9]+$" .address }}
{{- $scheme := ternary "https" "http" (hasKey . "tls") }}
{{- if hasKey $seen $scheme }}
- {name: {{ $scheme }}-{{ $port }}, port: {{ $port }}, servicePort: {{ $port }}}
{{- else }}
{{- $_ := set $seen $scheme true }}
- {name: {{ $scheme }}, port: {{ $port }}, servicePort: {{ ternary $service.httpsPort $service.httpPort (eq $scheme "https") }}}
{{- end }}
{{- end }}
{{- end }}

{{/* A duration such as 1m30s in seconds, rounded up. */}}
{{- define "sluicegate.seconds" -}}
{{- $milliseconds := 0 -}}
{{- $units := dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1 -}}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 -}}
{{- $milliseconds = add $milliseconds (mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- div (add $milliseconds 999) 1000 -}}
{{- end }}

{{/* The kubelet's patience: what the proxy may take, and some seconds for itself. */}}
{{- define "sluicegate.gracePeriod" -}}
{{- $drain := dig "shutdown" "drainTimeout" "30s" .Values.proxy.config -}}
{{- add (include "sluicegate.seconds" .Values.proxy.preStopDelay) (include "sluicegate.seconds" $drain) 5 -}}
{{- end }}
