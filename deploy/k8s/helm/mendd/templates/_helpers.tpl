{{- define "mendd.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "mendd.selector" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "mendd.labels" -}}
{{ include "mendd.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "mendd.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "mendd.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name: which one, if serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "mendd.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- define "mendd.scheme" -}}
{{ ternary "https" "http" (not (empty .Values.tls.existingSecret)) }}
{{- end -}}

{{- /* --web.config.file: empty if nothing is asked for */ -}}
{{- define "mendd.webConfig" -}}
{{- $config := deepCopy .Values.tls.webConfig -}}
{{- if .Values.tls.existingSecret -}}
{{- $files := dict "cert_file" "/etc/mendd/tls/tls.crt" "key_file" "/etc/mendd/tls/tls.key" -}}
{{- $_ := set $config "tls_server_config" (merge $files (default dict $config.tls_server_config)) -}}
{{- end -}}
{{- if $config }}{{ toYaml $config }}{{ end -}}
{{- end -}}

{{- /* what Prometheus presents to mendd: a token with the scope viewer */ -}}
{{- define "mendd.scrape" -}}
path: /metrics
scheme: {{ include "mendd.scheme" .root }}
{{- if .root.Values.tls.existingSecret }}
tlsConfig:
  ca:
    secret:
      name: {{ .root.Values.tls.existingSecret }}
      key: ca.crt
  serverName: {{ include "mendd.fullname" .root }}.{{ .root.Release.Namespace }}.svc
{{- end }}
interval: {{ .monitor.interval }}
authorization:
  type: Bearer
  credentials:
    name: {{ .root.Values.tokens.existingSecret }}
    key: {{ .monitor.tokenKey }}
{{- end -}}
