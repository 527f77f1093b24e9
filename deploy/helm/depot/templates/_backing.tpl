{{/* What the backing services have in common: (dict "root" $ "name" "postgres" …). One image each, given by values. */}}
{{- define "depot.backingMetadata" -}}
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
{{- end }}

{{- define "depot.headlessService" -}}
# Names the pods themselves: clients of these services know which one they talk to.
apiVersion: v1
kind: Service
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .service | default .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
spec:
  clusterIP: None
  {{- if .unready }}
  # Nodes find each other before one of them is ready.
  publishNotReadyAddresses: true
  {{- end }}
  selector: {{- include "depot.selectorLabels" . | nindent 4 }}
  ports:
    {{- range $port, $number := .ports }}
    - {name: {{ $port }}, port: {{ $number }}, targetPort: {{ $port }}}
    {{- end }}
{{- end }}

{{- define "depot.claim" -}}
- apiVersion: v1
  kind: PersistentVolumeClaim
  metadata:
    name: data
    labels: {{- include "depot.labels" . | nindent 6 }}
  spec:
    accessModes: [ReadWriteOnce]
    {{- with .values.storage.className }}
    storageClassName: {{ . }}
    {{- end }}
    resources:
      requests: {storage: {{ .values.storage.size }}}
{{- end }}

{{- define "depot.backingPod" -}}
serviceAccountName: {{ include "depot.fullname" .root }}-{{ .name }}
{{- include "depot.podBasics" . | nindent 0 }}
{{- include "depot.spread" . | nindent 0 }}
{{- with include "depot.placement" . | trim }}{{ . | nindent 0 }}{{ end }}
{{- end }}

{{- define "depot.backingNetworkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "depot.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    {{- include "depot.backingIngress" . | nindent 4 }}
{{- end }}
