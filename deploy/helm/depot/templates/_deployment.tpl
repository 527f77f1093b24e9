{{/* How long a pod may take to end: the notice, the drain, and what follows it in the process (2 s for the admin
listener, 5 s for the last spans, 2 s for threads), and some seconds more, so that it is never killed on its way. */}}
{{- define "depot.graceSeconds" -}}
{{ add (div (add (int .values.shutdown.noticeMs) 999) 1000) (int .values.shutdown.deadlineSeconds) 15 }}
{{- end }}

{{- define "depot.deployment" -}}
{{- $facts := include "depot.factsOf" . | fromYaml -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
spec:
  {{- if not .values.autoscaling.enabled }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  # A new pod is ready before an old one is asked to end.
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels: {{- include "depot.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "depot.labels" . | nindent 8 }}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: {{ $facts.ports.admin | quote }}
        prometheus.io/path: /metrics
        {{- if .root.Values.rollOnSettingsChange }}
        # Programs read their settings at start: other settings are other pods.
        checksum/settings: {{ include "depot.settings" . | sha256sum }}
        {{- end }}
        {{- with .values.podAnnotations }}{{ toYaml . | nindent 8 }}{{ end }}
    spec:
      serviceAccountName: {{ include "depot.fullname" .root }}-{{ .name }}
      {{- include "depot.podBasics" (dict "root" .root "uid" 10001) | nindent 6 }}
      # Longer than the process takes to drain. It needs no preStop: from SIGTERM on it says that it is not ready, and
      # goes on serving for SHUTDOWN_NOTICE_MS, in which who sends requests here hears of it.
      terminationGracePeriodSeconds: {{ include "depot.graceSeconds" . }}
      {{- include "depot.spread" (dict "root" .root "name" .name "versions" true) | nindent 6 }}
      {{- with include "depot.placement" . | trim }}{{ . | nindent 6 }}{{ end }}
      containers:
        - name: {{ .name }}
          image: {{ include "depot.image" . }}
          imagePullPolicy: {{ .root.Values.image.pullPolicy }}
          command: [{{ .name }}]
          envFrom:
            - configMapRef: {name: {{ include "depot.fullname" .root }}-{{ .name }}}
          env: {{- include "depot.secretEnv" . | trim | nindent 12 }}
          ports:
            {{- range $port, $number := $facts.ports }}
            - {name: {{ $port }}, containerPort: {{ $number }}}
            {{- end }}
          # Passes once the process was ready for the first time: dependencies are waited for, for ten minutes.
          startupProbe:
            httpGet: {path: /startupz, port: admin}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 120
          # Asks no dependency: a restart would mend none.
          livenessProbe:
            httpGet: {path: /livez, port: admin}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          # Its checks take 3 s at most.
          readinessProbe:
            httpGet: {path: /readyz, port: admin}
            periodSeconds: 5
            timeoutSeconds: 5
            failureThreshold: 2
          resources: {{- toYaml .values.resources | nindent 12 }}
          securityContext: {{- include "depot.containerSecurity" . | nindent 12 }}
          {{- with include "depot.fileMounts" . | trim }}{{ . | nindent 10 }}{{ end }}
      {{- with include "depot.fileVolumes" . | trim }}{{ . | nindent 6 }}{{ end }}
{{- end }}
