// Names in the store. Braces make a hash tag: in a cluster, all of a prefix is on one node, so that a script can use any of it
// (https://valkey.io/topics/cluster-spec/).

/** `{llm-gateway}:s:model:qwen`. */
export function storeKey(prefix: string, ...parts: readonly string[]): string {
  return [`{${prefix}}`, ...parts].join(':')
}

/** The channel of messages between the gateways. */
export function newsChannel(prefix: string): string {
  return storeKey(prefix, 'news')
}
