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
  verbs: [get, patch, update]
# What Targets refer to: credentials, certificates, and the pods behind a Service.
- apiGroups: [""]
  resources: [secrets, configmaps, services]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
# Reports about an object are kept in its namespace.
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
