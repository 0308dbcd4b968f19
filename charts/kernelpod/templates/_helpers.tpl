{{- define "kernelpod.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the gateway's objects, at most 40 characters because suffixes are appended. */}}
{{- define "kernelpod.fullname" -}}
{{- $name := .Values.fullnameOverride -}}
{{- if not $name -}}
  {{- $chart := include "kernelpod.name" . -}}
  {{- $name = ternary .Release.Name (printf "%s-%s" .Release.Name $chart) (contains $chart .Release.Name) -}}
{{- end -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of cluster-wide objects. */}}
{{- define "kernelpod.clusterName" -}}
{{- printf "%s-%s" .Release.Namespace (include "kernelpod.fullname" .) -}}
{{- end -}}

{{- define "kernelpod.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "kernelpod.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{- define "kernelpod.image" -}}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) -}}
{{- end -}}

{{/* Labels of an object; the argument is (list context component). */}}
{{- define "kernelpod.labels" -}}
{{- $ := index . 0 -}}
{{ include "kernelpod.selector" . }}
app.kubernetes.io/version: {{ $.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: kernelpod
app.kubernetes.io/managed-by: {{ $.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $.Chart.Name $.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The labels that select pods of the chart; the argument is (list context component). */}}
{{- define "kernelpod.selector" -}}
{{- $ := index . 0 -}}
app.kubernetes.io/name: {{ include "kernelpod.name" $ | quote }}
app.kubernetes.io/instance: {{ $.Release.Name | quote }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* The labels that select this release's kernel pods, as in `release_labels` of names.py; nameOverride has no effect. */}}
{{- define "kernelpod.kernelSelector" -}}
app.kubernetes.io/name: kernelpod
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: kernel
app.kubernetes.io/managed-by: kernelpod
{{- end -}}

{{/* The Secret with the token of the hub's service; empty: none. */}}
{{- define "kernelpod.hubSecret" -}}
{{- if .Values.hub.existingSecret -}}
{{- .Values.hub.existingSecret -}}
{{- else if .Values.hub.token -}}
{{- include "kernelpod.fullname" . }}-hub
{{- end -}}
{{- end -}}

{{/* The claim with the kernelspecs; empty: they are in the image. */}}
{{- define "kernelpod.kernelspecsClaim" -}}
{{- if eq .Values.kernelspecs.source "volume" -}}
{{- .Values.kernelspecs.volume.existingClaim | default (printf "%s-kernelspecs" (include "kernelpod.fullname" .)) -}}
{{- end -}}
{{- end -}}

{{/* Pod Security labels of the kernels' namespace: `restricted` does not allow inline NFS volumes. */}}
{{- define "kernelpod.podSecurity" -}}
{{- if include "kernelpod.inlineNFS" . | fromJsonArray -}}
pod-security.kubernetes.io/enforce: baseline
pod-security.kubernetes.io/warn: restricted
pod-security.kubernetes.io/audit: restricted
{{- else -}}
pod-security.kubernetes.io/enforce: restricted
{{- end -}}
{{- end -}}
