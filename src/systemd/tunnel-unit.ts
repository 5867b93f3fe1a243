// The unit that keeps an ssh tunnel to the gateway of another machine up.
import { quoted } from './units.ts'

export interface Tunnel {
  /** `[user@]host`, of letters, digits and `.`, `_`, `-`, `:`. */
  readonly destination: string
  /** Of this machine. */
  readonly port: number
  /** Of the gateway there. */
  readonly remotePort: number
  /** Whether this machine has the address ::1: the port is taken there, too, because clients that are led to `localhost` try it first. */
  readonly hasIpv6Loopback: boolean
}

/** What the programs of this machine can do. */
export interface TunnelPrograms {
  /** Of the manager; 0: unknown. */
  readonly systemdVersion: number
  /** Further options of ssh: `NAME=VALUE`. */
  readonly sshOptions: readonly string[]
}

/** With the escapes of systemd-escape(1), so that two destinations never share a unit. */
export function tunnelUnit(destination: string): string {
  const escaped = destination.replaceAll(
    /[^\w:.]/g,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
  return `llm-gateway-tunnel-${escaped}.service`
}

/** The command, with which the tunnel is up as long as it runs. */
export function tunnelCommand(tunnel: Tunnel): string[] {
  return ['ssh', '-N', '-o', 'ExitOnForwardFailure=yes', ...forwards(tunnel), tunnel.destination]
}

/** By addresses: with `localhost`, ssh counts a forward as made when it got one of the two, and somebody else may have the other. */
function forwards({ port, remotePort, hasIpv6Loopback }: Tunnel): string[] {
  const hosts = ['127.0.0.1', ...(hasIpv6Loopback ? ['[::1]'] : [])]
  return hosts.flatMap((host) => ['-L', `${host}:${port}:localhost:${remotePort}`])
}

/** The ports of a unit of `renderTunnel`, by the words of its command. */
export function tunnelPorts(words: readonly string[]): Pick<Tunnel, 'port' | 'remotePort'> | undefined {
  for (const word of words) {
    const [, port, remotePort] = /^(?:127\.0\.0\.1|localhost):(\d+):localhost:(\d+)$/.exec(word) ?? []
    if (port !== undefined) return { port: Number(port), remotePort: Number(remotePort) }
  }
  return undefined
}

/** The first version of systemd that lengthens the pause between restarts: systemd.service(5), RestartSteps=. */
const backsOffFrom = 254

/**
 * The text of the unit. A manager that cannot lengthen the pause between tries always waits 10 s: soon
 * enough for a network that returns, and at most six tries a minute at a machine that refuses them.
 *
 * ssh notifies the manager once it has logged in and listens, so that `active` means that the tunnel is up.
 */
export function renderTunnel(tunnel: Tunnel, { systemdVersion, sshOptions }: TunnelPrograms): string {
  const { destination } = tunnel
  const options = [
    // A unit has no terminal to ask at.
    'BatchMode=yes',
    'ExitOnForwardFailure=yes',
    'ConnectTimeout=15',
    'ServerAliveInterval=15',
    'ServerAliveCountMax=3',
    'ControlMaster=no',
    'ControlPath=none',
    'RemoteCommand=none',
    ...sshOptions,
    'PermitLocalCommand=yes',
    'LocalCommand=systemd-notify --ready "--status=the tunnel is up"',
  ]
  const words = [
    'ssh',
    '-N',
    '-T',
    '-a',
    '-x',
    ...options.flatMap((option) => ['-o', option]),
    ...forwards(tunnel),
    '--',
    destination,
  ]
  const pause =
    systemdVersion < backsOffFrom ? 'RestartSec=10' : 'RestartSec=1\nRestartSteps=8\nRestartMaxDelaySec=60'
  return `# Written by \`llm-gateway tunnel ${destination}\`: a tunnel to the gateway there. Put your own changes into a drop-in.

[Unit]
Description=Tunnel to the LLM gateway of ${destination}
Documentation=man:ssh(1)
# It goes on trying for as long as the other machine or the network is away.
StartLimitIntervalSec=0

[Service]
Type=notify
# ssh notifies through systemd-notify, which is a child of it.
NotifyAccess=all
ExecStart=${words.map((word) => quoted(word, true)).join(' ')}
TimeoutStartSec=45
Restart=always
${pause}
UMask=0077
NoNewPrivileges=yes
LimitCORE=0

[Install]
WantedBy=default.target
`
}
