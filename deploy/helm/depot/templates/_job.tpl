{{/*
Whether the steps are hooks of the release, which run before anything of it is changed. In an upgrade always. In an
installation only where all that they need is there before: services that the release itself brings, and Secrets of its
own, would come after the hook that waits for them. They are then objects like the others, and the services wait.
*/}}
{{- define "depot.jobsAreHooks" -}}
{{- $v := .Values -}}
{{- $own := or $v.backing.postgres.enabled $v.backing.kafka.enabled $v.backing.objectStore.enabled -}}
{{- range list "migrate" "topics" "buckets" -}}
  {{- $values := get $v.jobs . -}}
  {{- $keys := include "depot.secretKeys" (dict "root" $ "name" . "values" $values) | fromYamlArray -}}
  {{- if and $keys (not $values.existingSecret) -}}{{- $own = true -}}{{- end -}}
{{- end -}}
{{- if and $v.jobs.migrate.setPasswords (or (not $v.commandApi.existingSecret) (not $v.queryApi.existingSecret) (not $v.projector.existingSecret) (not $v.uploader.existingSecret)) -}}
  {{- $own = true -}}
{{- end -}}
{{- if and $v.jobs.hooks (or .Release.IsUpgrade (not $own)) -}}true{{- end -}}
{{- end }}

{{/*
A step that is safe to repeat: (dict "root" $ "name" "migrate" "values" … "weight" 1 "env" "…"). Its settings stand in the
Job itself, since a hook comes before the ConfigMaps of its release.
*/}}
{{- define "depot.job" -}}
{{- $v := .root.Values -}}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ include "depot.fullname" .root }}-{{ .name }}
  labels: {{- include "depot.labels" . | nindent 4 }}
  {{- if include "depot.jobsAreHooks" .root }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    # The order of the steps; each has ended well before the next begins.
    helm.sh/hook-weight: {{ .weight | quote }}
    # That of the release before; this one stays, with its log, for ttlSecondsAfterFinished. Except where the release
    # before had the step as an object of its own (an installation that brings what it needs): Helm deletes that by its
    # name when the upgrade is done, and this one has the same. It is not told to keep it (helm.sh/resource-policy): a
    # rollback to that installation would then find a Job that it cannot change.
    helm.sh/hook-delete-policy: before-hook-creation
  {{- end }}
spec:
  backoffLimit: {{ $v.jobs.backoffLimit }}
  ttlSecondsAfterFinished: {{ $v.jobs.ttlSecondsAfterFinished }}
  template:
    metadata:
      labels: {{- include "depot.labels" . | nindent 8 }}
    spec:
      # Each attempt keeps a log of its own.
      restartPolicy: Never
      {{- include "depot.podBasics" (dict "root" .root "uid" 10001) | nindent 6 }}
      {{- with include "depot.placement" . | trim }}{{ . | nindent 6 }}{{ end }}
      containers:
        - name: {{ .name }}
          image: {{ include "depot.image" . }}
          imagePullPolicy: {{ $v.image.pullPolicy }}
          command: [depot, {{ .name }}]
          env:
            {{- range $variable, $value := include "depot.settings" . | fromYaml }}
            - {name: {{ $variable }}, value: {{ $value | quote }}}
            {{- end }}
            {{- with include "depot.secretEnv" . | trim }}{{ . | nindent 12 }}{{ end }}
            {{- with .env }}{{ . | nindent 12 }}{{ end }}
          resources: {{- toYaml $v.jobs.resources | nindent 12 }}
          securityContext: {{- include "depot.containerSecurity" . | nindent 12 }}
          {{- with include "depot.fileMounts" . | trim }}{{ . | nindent 10 }}{{ end }}
      {{- with include "depot.fileVolumes" . | trim }}{{ . | nindent 6 }}{{ end }}
{{- end }}
