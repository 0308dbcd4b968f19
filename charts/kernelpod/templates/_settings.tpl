{{/*
Settings that the chart sets, by their keys: the value, and where to change it. With `unlessGiven`, a value in the
settings wins; checks.yaml rejects any other difference.
*/}}
{{- define "kernelpod.decided" -}}
gateway.ip:
  value: 0.0.0.0
  change: the gateway listens on every address of its pod
gateway.port:
  value: 8888
  change: the port that clients see is service.port
gateway.replicated:
  value: true
  change: the chart's gateways share a lease, also a single one, because an upgrade may overlap with it
runtime.kind:
  value: kubernetes
  change: the chart is for pods
runtime.kubernetes.namespace:
  value: {{ .Values.kernels.namespace.name | toJson }}
  change: set kernels.namespace.name
runtime.kubernetes.release:
  value: {{ .Release.Name | toJson }}
  change: it is the name of the Helm release
runtime.kubernetes.home_check_image:
  value: {{ include "kernelpod.image" . | toJson }}
  change: set image.repository and image.tag
{{- with include "kernelpod.scheduling" . | fromJson }}
runtime.kubernetes.scheduling:
  value: {{ toJson . }}
  change: set kernels.nodeSelector and the like
{{- end }}
{{- with .Values.sparkExecutors }}
runtime.kubernetes.executors:
  value: {{ keys . | sortAlpha | toJson }}
  change: set sparkExecutors
kernelspecs.service_accounts:
  value: {{ keys . | sortAlpha | toJson }}
  unlessGiven: true
{{- end }}
{{- if eq .Values.kernelspecs.source "volume" }}
kernelspecs.path:
  value: {{ printf "%s/kernelspecs" .Values.kernelspecs.volume.mountPath | toJson }}
  change: set kernelspecs.volume.mountPath
{{- end }}
hubs.api_url:
  value: http://hub.{{ .Values.hub.namespace }}:8081/hub/api
  unlessGiven: true
{{- if include "kernelpod.hubSecret" . }}
hubs.token_file:
  value: /run/secrets/kernelpod/token
  change: set hub.existingSecret and hub.secretKey
{{- end }}
servers.gateway_url:
  value: http{{ if (.Values.settings.gateway | default dict).cert_file }}s{{ end }}://{{ include "kernelpod.fullname" . }}.{{ .Release.Namespace }}:{{ .Values.service.port }}
  unlessGiven: true
{{- end -}}

{{/* The given settings, with the release's hub as a section instead of a list; further hubs are in extraHubs. */}}
{{- define "kernelpod.given" -}}
{{- $given := deepCopy .Values.settings -}}
{{- $_ := set $given "hubs" (first ($given.hubs | default (list dict))) -}}
{{- toJson $given -}}
{{- end -}}

{{/* The gateway's settings: the given ones and those that the chart sets. */}}
{{- define "kernelpod.settings.sections" -}}
{{- $settings := include "kernelpod.given" . | fromJson -}}
{{- range $key, $decided := include "kernelpod.decided" . | fromYaml -}}
  {{- $path := splitList "." $key -}}
  {{- $section := $settings -}}
  {{- range initial $path -}}
    {{- if not (hasKey $section .) -}}{{- $_ := set $section . dict -}}{{- end -}}
    {{- $section = get $section . -}}
  {{- end -}}
  {{- if not (and $decided.unlessGiven (hasKey $section (last $path))) -}}
    {{- $_ := set $section (last $path) $decided.value -}}
  {{- end -}}
{{- end -}}
{{- $hubs := list $settings.hubs -}}
{{- range .Values.extraHubs -}}
  {{- $hub := dict "name" .name -}}
  {{- if .existingSecret -}}{{- $_ := set $hub "token_file" (printf "/run/secrets/kernelpod-%s/token" .name) -}}{{- end -}}
  {{- $default := dict "api_url" (printf "http://hub.%s:8081/hub/api" .namespace) -}}
  {{- $hubs = append $hubs (merge $hub (.settings | default dict) $default) -}}
{{- end -}}
{{- $_ := set $settings "hubs" $hubs -}}
{{- toYaml $settings -}}
{{- end -}}

{{/* The namespaces of all hubs, the release's first. */}}
{{- define "kernelpod.hubNamespaces" -}}
{{- $found := list .Values.hub.namespace -}}
{{- range .Values.extraHubs -}}{{- $found = append $found .namespace -}}{{- end -}}
{{- toJson $found -}}
{{- end -}}

{{/* The values for the scheduling of kernel pods. */}}
{{- define "kernelpod.scheduling" -}}
{{- $given := dict -}}
{{- range $key := list "imagePullSecrets" "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" "runtimeClassName" "schedulerName" -}}
  {{- with get $.Values.kernels $key -}}{{- $_ := set $given $key . -}}{{- end -}}
{{- end -}}
{{- toJson $given -}}
{{- end -}}

{{/* Server and root of every volume of the settings that kernels mount as inline NFS. */}}
{{- define "kernelpod.inlineNFS" -}}
{{- $found := list -}}
{{- range prepend .Values.settings.mounts .Values.settings.homes -}}
  {{- if has (dig "volume" "kind" "pvc" .) (list "nfs" "dynamic") -}}
    {{- $found = append $found (dict "server" .volume.server "root" (trimSuffix "/" .root)) -}}
  {{- end -}}
{{- end -}}
{{- range .Values.admission.nfs -}}
  {{- $found = append $found (dict "server" .server "root" (trimSuffix "/" .root)) -}}
{{- end -}}
{{- toJson (uniq $found) -}}
{{- end -}}
