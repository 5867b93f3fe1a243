// Where ssh is to connect to: `[user@]host`, in characters that neither ssh, a shell nor a unit file reads as anything else.

export type ParsedDestination =
  | { readonly kind: 'parsed'; readonly destination: string }
  /** A sentence: which rule refused it, and what to write. */
  | { readonly kind: 'refused'; readonly message: string }

/** `Host` patterns of ssh_config are names too, so a host may have dots, underscores and hyphens; an IPv6 address has colons. */
/** Of a Unix user, as it can stand in commands. */
export function isUserName(text: string): boolean {
  return userPattern.test(text)
}

const userPattern = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/
const hostPattern = /^[A-Za-z0-9_:][A-Za-z0-9_.:-]{0,252}$/

/**
 * Checks a destination before ssh sees it. A leading `-` would be an option (CVE-2017-1000117 in git), and other characters
 * reach a shell where a ProxyCommand repeats the host (CVE-2023-51385).
 */
export function parseDestination(text: string): ParsedDestination {
  const at = text.lastIndexOf('@')
  const [user, host] = at < 0 ? [undefined, text] : [text.slice(0, at), text.slice(at + 1)]
  const refuse = (message: string) => ({ kind: 'refused', message }) as const
  if (text.startsWith('-') || host.startsWith('-')) {
    return refuse('The destination begins with "-", which ssh would read as an option. Write [user@]host.')
  }
  if (text.startsWith('ssh://')) {
    return refuse(
      'The destination is a URL. Write [user@]host, and set the port in ~/.ssh/config (Host, HostName, Port).',
    )
  }
  if (user !== undefined && !userPattern.test(user)) {
    return refuse('The user of the destination may have letters, digits, ".", "_" and "-" only: [user@]host.')
  }
  if (!hostPattern.test(host)) {
    return refuse(
      'The host of the destination may have letters, digits, ".", "_", "-" and ":" only. Write [user@]host; an alias of ~/.ssh/config can stand for everything else.',
    )
  }
  return { kind: 'parsed', destination: text }
}
