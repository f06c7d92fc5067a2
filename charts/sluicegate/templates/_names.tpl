{{/*
Names, labels and images. Everything is called after the release: RELEASE-controller, RELEASE-proxy, and what belongs to
them. The longest name, RELEASE-proxy-observe, is a Service's, and those end at 63 characters.
*/}}
{{- define "sluicegate.name" -}}
{{- if gt (len .root.Release.Name) 49 -}}
{{- fail (printf "The release's name %q has more than 49 characters, so that its Services' names would be too long: choose a shorter one." .root.Release.Name) -}}
{{- end -}}
{{- .root.Release.Name }}-{{ .component -}}
{{- end }}

{{/* Of objects that belong to no namespace: two releases of one name must not share them. */}}
{{- define "sluicegate.clusterName" -}}
{{- .Release.Namespace }}:{{ include "sluicegate.name" (dict "root" . "component" "controller") -}}
{{- end }}

{{- define "sluicegate.selectorLabels" -}}
app.kubernetes.io/name: sluicegate
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "sluicegate.labels" -}}
{{ include "sluicegate.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ .root.Chart.Name }}-{{ .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "sluicegate.metadata" -}}
name: {{ include "sluicegate.name" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "sluicegate.labels" . | nindent 2 }}
{{- end }}

{{- define "sluicegate.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end -}}
{{- end }}
