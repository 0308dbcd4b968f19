{{/*
The network part of a CIDR as a string: "4" or "6", then its bits. A CIDR contains another one exactly if its string is
a prefix of the other string. Helm has no functions for addresses.
*/}}
{{- define "kernelpod.networkBits" -}}
{{- $address := first (splitList "/" .) -}}
{{- $length := last (splitList "/" .) | int -}}
{{- $bits := "" -}}
{{- if contains ":" $address -}}
  {{- $sides := splitList "::" $address -}}
  {{- $before := compact (splitList ":" (first $sides)) -}}
  {{- $after := ternary (compact (splitList ":" (last $sides))) list (gt (len $sides) 1) -}}
  {{- $zeros := list -}}
  {{- range until (int (max 0 (sub 8 (add (len $before) (len $after))))) -}}{{- $zeros = append $zeros "0" -}}{{- end -}}
  {{- range concat $before $zeros $after -}}
    {{- $bits = printf "%s%016b" $bits (printf "0x%s" . | int64) -}}
  {{- end -}}
  6{{ trunc $length $bits }}
{{- else -}}
  {{- range splitList "." $address -}}
    {{- $bits = printf "%s%08b" $bits (int64 .) -}}
  {{- end -}}
  4{{ trunc $length $bits }}
{{- end -}}
{{- end -}}

{{/*
Addresses that neither gateway nor kernels may reach. First those that give away a node's identity: link-local addresses,
and the metadata services of clouds elsewhere (Azure, Oracle; Alibaba; AWS, Google by IPv6). Then those that carry an IPv4
address inside, and so lead past the rules for IPv4: NAT64, 6to4 and its relays, Teredo. IPv4-mapped addresses are not
here: a socket sends them as IPv4, whose rules count, and Kubernetes does not take them in a CIDR.
hub/manifests/networkpolicies.yaml has the same list; a test compares them.
*/}}
{{- define "kernelpod.special" -}}
[
  "169.254.0.0/16", "168.63.129.16/32", "192.0.0.0/24", "100.100.100.200/32", "192.88.99.0/24",
  "fe80::/10", "fd00:ec2::/32", "fd20:ce::254/128",
  "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"
]
{{- end -}}

{{/* Addresses that are no internet; the last two of IPv4 are used inside of data centres, too. */}}
{{- define "kernelpod.private" -}}
["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "198.18.0.0/15", "240.0.0.0/4", "fc00::/7"]
{{- end -}}

{{/* CIDRs that no kernel may reach: special addresses, NFS servers given by address, networkPolicy.deny. */}}
{{- define "kernelpod.denied" -}}
{{- $denied := include "kernelpod.special" . | fromJsonArray -}}
{{- $servers := list -}}
{{- range include "kernelpod.inlineNFS" . | fromJsonArray -}}{{- $servers = append $servers .server -}}{{- end -}}
{{- range list .Values.homes.persistentVolume .Values.kernelspecs.volume -}}
  {{- $servers = append $servers .server -}}
{{- end -}}
{{- range compact $servers -}}
  {{- if regexMatch "^[0-9]+(\\.[0-9]+){3}$" . -}}{{- $denied = append $denied (printf "%s/32" .) -}}
  {{- else if regexMatch "^[0-9a-fA-F:]*:[0-9a-fA-F]*:[0-9a-fA-F:]*$" . -}}{{- $denied = append $denied (printf "%s/128" .) -}}
  {{- end -}}
{{- end -}}
{{- concat $denied .Values.networkPolicy.deny | uniq | toJson -}}
{{- end -}}

{{/*
A list of one peer: a CIDR without denied CIDRs; the argument is (list cidr denied except). Denied CIDRs that are not
within the CIDR are left out, because Kubernetes rejects them.
*/}}
{{- define "kernelpod.block" -}}
{{- $bits := include "kernelpod.networkBits" (index . 0) -}}
{{- $except := index . 2 -}}
{{- range index . 1 -}}
  {{- $denied := include "kernelpod.networkBits" . -}}
  {{- if and (hasPrefix $bits $denied) (ne $bits $denied) -}}{{- $except = append $except . -}}{{- end -}}
{{- end -}}
- ipBlock:
    cidr: {{ index . 0 | quote }}
    {{- with uniq $except }}
    except: {{ toJson . }}
    {{- end }}
{{- end -}}

{{/* A list of one egress rule: DNS. */}}
{{- define "kernelpod.dnsRule" -}}
- to:
    - namespaceSelector:
        matchLabels: {{- toYaml .Values.networkPolicy.dns.namespaceLabels | nindent 10 }}
      podSelector:
        matchLabels: {{- toYaml .Values.networkPolicy.dns.podLabels | nindent 10 }}
    {{- range .Values.networkPolicy.dns.addresses }}
    - ipBlock:
        cidr: {{ printf "%s/%s" . (ternary "128" "32" (contains ":" .)) | quote }}
    {{- end }}
  ports:
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end -}}

{{/* A list of one egress rule: the internet without private and denied addresses. */}}
{{- define "kernelpod.internetRule" -}}
{{- $private := include "kernelpod.private" . | fromJsonArray -}}
{{- $denied := concat $private (include "kernelpod.denied" . | fromJsonArray) -}}
- to:
    {{- range list "0.0.0.0/0" "::/0" }}
    {{- include "kernelpod.block" (list . $denied list) | nindent 4 }}
    {{- end }}
{{- end -}}

{{/*
A list of one egress rule, as given, with denied addresses excluded from its CIDRs; the argument is (list rule denied).
*/}}
{{- define "kernelpod.extraRule" -}}
{{- $denied := index . 1 -}}
- to:
    {{- range (index . 0).to }}
    {{- if .ipBlock }}
    {{- include "kernelpod.block" (list .ipBlock.cidr $denied (.ipBlock.except | default list)) | nindent 4 }}
    {{- else }}
    {{- list . | toYaml | nindent 4 }}
    {{- end }}
    {{- end }}
  {{- with (index . 0).ports }}
  ports: {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* A list of one egress rule: the API server. */}}
{{- define "kernelpod.apiServerRule" -}}
- to:
    {{- range .Values.networkPolicy.apiServer.cidrs }}
    {{- include "kernelpod.block" (list . (include "kernelpod.special" $ | fromJsonArray) list) | nindent 4 }}
    {{- end }}
  ports:
    {{- range .Values.networkPolicy.apiServer.ports }}
    - {protocol: TCP, port: {{ . }}}
    {{- end }}
{{- end -}}
