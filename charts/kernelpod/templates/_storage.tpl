{{/* Common parts of the chart's static NFS volumes; the argument is (list values path accessMode). */}}
{{- define "kernelpod.staticVolume" -}}
{{- $volume := index . 0 -}}
capacity:
  storage: {{ $volume.capacity }}
accessModes: [{{ index . 2 }}]
persistentVolumeReclaimPolicy: Retain
storageClassName: ""
mountOptions: {{- toYaml $volume.mountOptions | nindent 2 }}
nfs:
  server: {{ $volume.server | quote }}
  path: {{ index . 1 | quote }}
{{- end -}}

{{/* The exported folder that is the root of the homes' claim. */}}
{{- define "kernelpod.homesPath" -}}
{{- .Values.homes.persistentVolume.path | default .Values.settings.homes.root -}}
{{- end -}}
