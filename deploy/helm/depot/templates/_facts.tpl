{{/*
What each program is told and whom it calls, as its source has it. Nothing here is a setting: deploy/check/settings.py
compares ports and variables with the code.

uses: groups of settings and secrets (_settings.tpl, _secrets.tpl, _tls.tpl).
calls: who may be connected to (_network.tpl). query-api signs URLs of the object store and never calls it.
*/}}
{{- define "depot.facts" -}}
command-api:
  ports: {http: 8080, grpc: 50052, admin: 9180}
  public: [http, grpc]
  uses: [process, postgres, kafka, object-store, tokens, service-tokens, cors]
  calls: [postgres, kafka, object-store, issuer, collector, uploader]
query-api:
  ports: {http: 8081, grpc: 50051, admin: 9181}
  public: [http, grpc]
  uses: [process, postgres, redis, object-store, tokens, cursors, cors]
  calls: [postgres, redis, issuer, collector, admin-ports]
projector:
  ports: {admin: 9182}
  public: []
  uses: [process, postgres, kafka, redis, tokens]
  calls: [postgres, kafka, redis, issuer, collector]
uploader:
  ports: {admin: 9183}
  public: []
  uses: [process, postgres, kafka, object-store, tokens, service-tokens]
  calls: [postgres, kafka, object-store, issuer, collector, scanner]
migrate:
  ports: {}
  public: []
  uses: [owner, postgres]
  calls: [postgres]
topics:
  ports: {}
  public: []
  uses: [kafka]
  calls: [kafka]
buckets:
  ports: {}
  public: []
  uses: [object-store, cors]
  calls: [object-store]
{{- end }}

{{/* The admin port of each service, by its name, as YAML. */}}
{{- define "depot.adminPorts" -}}
{{- range $name, $facts := include "depot.facts" . | fromYaml }}
{{- with $facts.ports.admin }}
{{ $name }}: {{ . }}
{{- end }}
{{- end }}
{{- end }}

{{/* The facts of one program: (dict "name" "command-api"), as YAML. */}}
{{- define "depot.factsOf" -}}
{{- get (include "depot.facts" . | fromYaml) .name | toYaml }}
{{- end }}
