{{- define "depot.disruptionBudget" -}}
# Of pods that a drain of machines takes away, one at a time.
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  {{- if not .uid }}
  # One that is not ready anyway holds up nobody. A node of a backing service may be just about to come back.
  unhealthyPodEvictionPolicy: AlwaysAllow
  {{- end }}
  selector:
    matchLabels: {{- include "depot.selectorLabels" . | nindent 6 }}
{{- end }}

{{/* By use of processors. More pods come at once, and go slowly: a group of consumers is at rest while it is shared anew. */}}
{{- define "depot.autoscaler" -}}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "depot.fullname" .root }}-{{ .name }}
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .values.autoscaling.cpuUtilization }}}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 300
      policies: [{type: Pods, value: 1, periodSeconds: 60}]
{{- end }}

{{/*
By lag, which is asked of Prometheus: the projector commits nothing to Kafka, its offsets are with the views. The largest
of what several pods say of a partition counts, so that one that has just been given away is not counted twice. Each version
of the views that is fed has a group of its own, depot.projector.v2 for instance, and the one that is furthest behind counts.
*/}}
{{- define "depot.scaledObject" -}}
{{- $keda := .root.Values.keda -}}
apiVersion: keda.sh/v1alpha1
kind: ScaledObject
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    name: {{ include "depot.fullname" .root }}-{{ .name }}
  # Never none: nobody tells the lag of a group without members.
  minReplicaCount: {{ .values.autoscaling.minReplicas }}
  maxReplicaCount: {{ .values.autoscaling.maxReplicas }}
  pollingInterval: 15
  cooldownPeriod: 300
  # While Prometheus does not answer.
  fallback: {failureThreshold: 4, replicas: {{ .values.autoscaling.maxReplicas }}}
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleDown:
          stabilizationWindowSeconds: 300
          policies: [{type: Pods, value: 1, periodSeconds: 60}]
  triggers:
    - type: prometheus
      metricType: AverageValue
      metadata:
        serverAddress: {{ $keda.prometheusAddress }}
        query: >-
          sum(max by (topic, partition) (depot_consumer_lag_messages{group=~"{{ .root.Values.topicPrefix }}.{{ .name }}([.]v[0-9]+)?",topic=~"
          {{- range $i, $topic := .topics }}{{ if $i }}|{{ end }}{{ $.root.Values.topicPrefix }}.{{ $topic }}.v1{{ end }}"}))
        # Events that wait, for each pod.
        threshold: {{ .values.autoscaling.lagMessages | quote }}
        ignoreNullValues: "false"
{{- end }}

{{/* The one or the other of them, with the budget. */}}
{{- define "depot.scaling" -}}
{{ include "depot.disruptionBudget" . }}
{{- if .values.autoscaling.enabled }}
---
{{- if and .topics .root.Values.keda.enabled }}
{{ include "depot.scaledObject" . }}
{{- else }}
{{ include "depot.autoscaler" . }}
{{- end }}
{{- end }}
{{- end }}
