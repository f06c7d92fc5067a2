{{/* Who may read metrics and health: those that are named, and the pods of `helm test`. */}}
{{- define "sluicegate.observeIngress" -}}
- ports:
  - {protocol: TCP, port: observe}
{{- with .Values.networkPolicy.observeFrom }}
  from:
  {{- toYaml . | nindent 2 }}
  - podSelector:
      matchLabels:
        {{- include "sluicegate.selectorLabels" (dict "root" $ "component" "test") | nindent 8 }}
{{- end }}
{{- end }}
