{{/* Public ports, and the admin port for Prometheus and, of the uploader, for command-api's sweep: who may connect is
the NetworkPolicy's to say. */}}
{{- define "depot.service" -}}
{{- $facts := include "depot.factsOf" . | fromYaml -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
  {{- with .values.serviceAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: ClusterIP
  selector: {{- include "depot.selectorLabels" . | nindent 4 }}
  ports:
    {{- range $port, $number := $facts.ports }}
    - name: {{ $port }}
      port: {{ $number }}
      targetPort: {{ $port }}
      {{- if eq $port "grpc" }}
      # HTTP/2 without TLS: what stands before it has to know.
      appProtocol: kubernetes.io/h2c
      {{- else }}
      appProtocol: http
      {{- end }}
    {{- end }}
{{- end }}

{{/* The pods one by one, those that are not ready too: query-api asks each how it is. */}}
{{- define "depot.instances" -}}
{{- $facts := include "depot.factsOf" . | fromYaml -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}-instances
  labels: {{- include "depot.labels" . | nindent 4 }}
spec:
  clusterIP: None
  publishNotReadyAddresses: true
  selector: {{- include "depot.selectorLabels" . | nindent 4 }}
  ports:
    - name: admin
      port: {{ $facts.ports.admin }}
      targetPort: admin
      appProtocol: http
{{- end }}

{{- define "depot.serviceAccount" -}}
# An identity of its own, without rights and without a token.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
  {{- with .values.serviceAccountAnnotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
automountServiceAccountToken: false
{{- end }}
