{{/*
What the pods of both Deployments have in common. Called with `root`, `component` and `values`, those of the component.
*/}}
{{- define "sluicegate.podMetadata" -}}
annotations:
  # A new configuration is a new pod: processes read theirs once.
  sluicegate.dev/config-checksum: {{ sha256sum .config }}
  {{- with .values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
labels:
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
  {{- include "sluicegate.selectorLabels" . | nindent 2 }}
{{- end }}

{{- define "sluicegate.podPlacement" -}}
{{- with .root.Values.imagePullSecrets -}}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with .values.priorityClassName -}}
priorityClassName: {{ . }}
{{ end -}}
{{- with .values.nodeSelector -}}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with .values.tolerations -}}
tolerations:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with .values.affinity -}}
affinity:
  {{- toYaml . | nindent 2 }}
{{ end -}}
{{- with .values.topologySpreadConstraints -}}
topologySpreadConstraints:
  {{- range . }}
  - {{ toYaml . | nindent 4 | trim }}
    {{- if not .labelSelector }}
    labelSelector:
      matchLabels:
        {{- include "sluicegate.selectorLabels" $ | nindent 8 }}
    {{- end }}
  {{- end }}
{{ end -}}
# Addresses come from DNS; one variable for each Service of the namespace would only be noise.
enableServiceLinks: false
securityContext:
  {{- toYaml .root.Values.podSecurityContext | nindent 2 }}
{{- end }}

{{- define "sluicegate.container" -}}
image: {{ include "sluicegate.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- toYaml .root.Values.securityContext | nindent 2 }}
{{- with .values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
# As long as a process takes to start at worst; once it has, the other two take over.
startupProbe:
  httpGet: {path: /healthz, port: observe}
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: observe}
  periodSeconds: 10
  timeoutSeconds: 5
readinessProbe:
  httpGet: {path: /readyz, port: observe}
  periodSeconds: 2
  failureThreshold: 2
{{- end }}

{{- define "sluicegate.testContainer" -}}
image: {{ include "sluicegate.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
resources:
  requests: {cpu: 10m, memory: 16Mi}
  limits: {memory: 64Mi}
{{- end }}
