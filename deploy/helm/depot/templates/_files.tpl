{{/*
Files that a program reads, mounted from objects that are made elsewhere: authorities, its own certificates, and an
issuer's keys. A YAML list of {name, kind, object, items, directory, variables}; variables name the paths.
*/}}
{{- define "depot.files" -}}
{{- $v := .root.Values -}}
{{- $facts := include "depot.factsOf" . | fromYaml -}}
{{- $connections := list
  (dict "use" "postgres" "variable" "DATABASE" "ca" $v.postgres.ca)
  (dict "use" "kafka" "variable" "KAFKA" "ca" $v.kafka.ca)
  (dict "use" "redis" "variable" "REDIS" "ca" $v.redis.ca)
  (dict "use" "object-store" "variable" "MINIO" "ca" $v.objectStore.ca)
  (dict "use" "tokens" "variable" "JWT_JWKS" "ca" $v.jwt.jwks.ca)
-}}
{{- $own := default dict .values.clientCertificates -}}
{{- range $connections }}
{{- if has .use $facts.uses }}
{{- $directory := printf "/etc/depot/%s-ca" .use }}
{{- if or .ca.secret .ca.configMap }}
- name: {{ .use }}-ca
  kind: {{ ternary "secret" "configMap" (ne .ca.secret "") }}
  object: {{ coalesce .ca.secret .ca.configMap }}
  items: [{key: {{ .ca.key | quote }}, path: ca.crt}]
  directory: {{ $directory }}
  variables: { {{ .variable }}_CA_FILE: {{ $directory }}/ca.crt}
{{- end }}
{{- $certificate := get $own .use }}
{{- if $certificate }}
{{- $directory := printf "/etc/depot/%s-client" .use }}
- name: {{ .use }}-client
  kind: secret
  object: {{ $certificate }}
  items: [{key: tls.crt, path: tls.crt}, {key: tls.key, path: tls.key}]
  directory: {{ $directory }}
  variables: { {{ .variable }}_CERT_FILE: {{ $directory }}/tls.crt, {{ .variable }}_KEY_FILE: {{ $directory }}/tls.key}
{{- end }}
{{- end }}
{{- end }}
{{- with $v.jwt.jwks.file }}
{{- if and (has "tokens" $facts.uses) (or .secret .configMap) }}
- name: jwks
  kind: {{ ternary "secret" "configMap" (ne .secret "") }}
  object: {{ coalesce .secret .configMap }}
  items: [{key: {{ .key | quote }}, path: jwks.json}]
  directory: /etc/depot/jwks
  variables: {JWT_JWKS_FILE: /etc/depot/jwks/jwks.json}
{{- end }}
{{- end }}
{{- end }}

{{- define "depot.fileMounts" -}}
{{- with include "depot.files" . | fromYamlArray }}
volumeMounts:
  {{- range . }}
  - {name: {{ .name }}, mountPath: {{ .directory }}, readOnly: true}
  {{- end }}
{{- end }}
{{- end }}

{{- define "depot.fileVolumes" -}}
{{- with include "depot.files" . | fromYamlArray }}
volumes:
  {{- range . }}
  - name: {{ .name }}
    {{- if eq .kind "secret" }}
    # Read by the group, which fsGroup makes the process's own.
    secret:
      secretName: {{ .object }}
      defaultMode: 0440
    {{- else }}
    configMap:
      name: {{ .object }}
    {{- end }}
      items: {{- toYaml .items | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}
