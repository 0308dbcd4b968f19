{{/* A DaemonSet whose pods pull the kernels' images; the argument is (list context suffix annotations). */}}
{{- define "kernelpod.prePuller" -}}
{{- $ := index . 0 -}}
{{- $component := index . 1 -}}
apiVersion: apps/v1
kind: DaemonSet
metadata:
  name: {{ printf "%s-%s" (include "kernelpod.fullname" $) $component | quote }}
  namespace: {{ $.Release.Namespace | quote }}
  labels: {{- include "kernelpod.labels" (list $ $component) | nindent 4 }}
  {{- with index . 2 }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  selector:
    matchLabels: {{- include "kernelpod.selector" (list $ $component) | nindent 6 }}
  updateStrategy:
    rollingUpdate:
      maxUnavailable: 100%
  template:
    metadata:
      labels: {{- include "kernelpod.selector" (list $ $component) | nindent 8 }}
    spec:
      automountServiceAccountToken: false
      enableServiceLinks: false
      terminationGracePeriodSeconds: 0
      {{- with $.Values.imagePullSecrets }}
      imagePullSecrets: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $.Values.kernels.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $.Values.kernels.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $.Values.kernels.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
      securityContext:
        runAsNonRoot: true
        runAsUser: 65534
        runAsGroup: 65534
        seccompProfile:
          type: RuntimeDefault
      initContainers:
        {{- range $number, $image := $.Values.prePuller.images }}
        - name: image-{{ $number }}
          image: {{ $image | quote }}
          imagePullPolicy: IfNotPresent
          command: [sh, -c, ":"]
          {{- include "kernelpod.prePullerContainer" $ | nindent 10 }}
        {{- end }}
      containers:
        - name: pause
          image: {{ $.Values.prePuller.pause.image | quote }}
          imagePullPolicy: IfNotPresent
          {{- include "kernelpod.prePullerContainer" $ | nindent 10 }}
{{- end -}}

{{- define "kernelpod.prePullerContainer" -}}
resources: {{- toYaml .Values.prePuller.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{/* Annotations of objects that exist only during an installation or upgrade; the argument is the order. */}}
{{- define "kernelpod.hook" -}}
helm.sh/hook: pre-install,pre-upgrade
helm.sh/hook-weight: {{ . | quote }}
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded
{{- end -}}
