// Rows of the kernel's socket lists, `/proc/self/net/tcp` and `tcp6`: proc_pid_net(5).
import { readFileSync } from 'node:fs'
import { endianness } from 'node:os'

export interface SocketRow {
  /** `ADDRESS:PORT` of both ends in hexadecimal, as the list writes them: `LOCAL REMOTE`. */
  readonly ends: string
  /** Two hexadecimal digits of the kernel's `enum tcp_state`; `0A` is LISTEN. */
  readonly state: string
  readonly uid: number
  /** `0`: the socket has no owner any more, and `uid` is 0 whoever owned it. */
  readonly inode: string
}

/** `: LOCAL REMOTE state tx:rx tr:when retransmits uid timeout inode …`, after the row's number. */
const rowForm =
  /: ([\dA-F]+:[\dA-F]{4} [\dA-F]+:[\dA-F]{4}) ([\dA-F]{2}) \w+:\w+ \w+:\w+ \w+ +(\d+) +\d+ (\d+) /

/** Undefined for a text that is not a row, such as the list's head line. */
export function parseSocketRow(row: string): SocketRow | undefined {
  const [, ends = '', state = '', uid, inode = ''] = rowForm.exec(row) ?? []
  return uid === undefined ? undefined : { ends, state, uid: Number(uid), inode }
}

/** An address as each list writes it; the first list has no IPv6 addresses. */
export interface AddressForms {
  readonly tcp: string | undefined
  readonly tcp6: string | undefined
}

/**
 * Words of 32 bits in native byte order. `tcp6` has an IPv4 address as `::ffff:…`.
 * @param address IPv4, IPv4 mapped into IPv6, or `::1`; both forms of any other are undefined.
 */
export function addressForms(address: string): AddressForms {
  if (address === '::1') return { tcp: undefined, tcp6: loopback6 }
  const plain = address.startsWith('::ffff:') ? address.slice(7) : address
  const bytes = plain.split('.')
  if (bytes.length !== 4) return { tcp: undefined, tcp6: undefined }
  const ordered = isLittleEndian ? bytes.toReversed() : bytes
  const word = ordered.map((byte) => upperHex(Number(byte), 2)).join('')
  return { tcp: word, tcp6: mappedPrefix + word }
}

const isLittleEndian = endianness() === 'LE'
const loopback6 = `${'0'.repeat(24)}${isLittleEndian ? '01000000' : '00000001'}`
const mappedPrefix = `${'0'.repeat(16)}${isLittleEndian ? 'FFFF0000' : '0000FFFF'}`

export function upperHex(value: number, digits: number): string {
  return value.toString(16).toUpperCase().padStart(digits, '0')
}

/** Whether this machine has the address `::1`. Node would use AF_NETLINK for that, which the service's sandbox denies. */
export function hasIpv6Loopback(): boolean {
  try {
    return /^0{31}1 /m.test(readFileSync('/proc/self/net/if_inet6', 'latin1'))
  } catch {
    return false
  }
}
