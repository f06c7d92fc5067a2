{{/*
The controller's configuration, and the rules of what it may do where it watches.
*/}}

{{/* The name that proxies find the controller by, and that its certificate is for. */}}
{{- define "sluicegate.controllerHost" -}}
{{ include "sluicegate.name" (dict "root" . "component" "controller") }}.{{ .Release.Namespace }}.svc
{{- end }}

{{- define "sluicegate.channelSecret" -}}
{{ .Values.channel.existingSecret | default (include "sluicegate.name" (dict "root" . "component" "channel")) }}
{{- end }}

{{- define "sluicegate.controllerConfig" -}}
{{- $proxy := include "sluicegate.name" (dict "root" . "component" "proxy") -}}
watchNamespaces: {{ toJson .Values.watchNamespaces }}
objectSelector: {{ toJson .Values.objectSelector }}
hostnames: {{ toJson .Values.hostnames }}
channel:
  address: 0.0.0.0:8443
  serverName: {{ include "sluicegate.controllerHost" . }}
  audience: sluicegate
  certificateSecret: {{ include "sluicegate.channelSecret" . }}
  managed: {{ empty .Values.channel.existingSecret }}
  caConfigMap: {{ include "sluicegate.name" (dict "root" . "component" "channel-ca") }}
proxies:
  serviceAccount: {{ $proxy }}
  service: {{ $proxy }}
lease:
  name: {{ include "sluicegate.name" (dict "root" . "component" "controller") }}
admin: {address: 127.0.0.1:9901}
observe: {address: 0.0.0.0:9902}
{{- end }}

{{/* What the controller needs wherever it watches. */}}
{{- define "sluicegate.watchRules" -}}
- apiGroups: [sluicegate.dev]
  resources: [upstreams, targets, rules]
  verbs: [get, list, watch]
- apiGroups: [sluicegate.dev]
  resources: [upstreams/status, targets/status, rules/status]
  verbs: [update]
# What Targets refer to: of these only the ones that are referred to are read; watches show names and versions.
- apiGroups: [""]
  resources: [secrets, configmaps, services]
  verbs: [get, list, watch]
# The pods behind a Service.
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
# Events are kept beside their object.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create]
{{- end }}
