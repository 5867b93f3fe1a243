// A program in a terminal: `script` (util-linux) makes a pseudo-terminal, in which the program has the foreground.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { stripVTControlCharacters } from 'node:util'
import { shellWord } from '../../src/platform/shell-word.ts'
import { until } from './deadline.ts'
import type { Cleanup } from './scripted-upstream.ts'

export interface PseudoTerminal {
  /** All that was written, sequences included. */
  output(): string
  /** The lines of the last whole screen that `top` has drawn, without sequences. */
  screen(): string[]
  /** Resolves when the last screen matches. */
  shows(pattern: RegExp): Promise<void>
  type(keys: string): void
  resize(columns: number, rows: number): void
  signal(name: NodeJS.Signals): void
  /** Resolves with the exit status that the shell reports. */
  ended(): Promise<number>
}

interface Started {
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly columns?: number
  readonly rows?: number
}

/** How each screen begins. */
const home = '\u001b[H'
/** How it ends: the cursor is hidden. */
const screenEnd = '\u001b[?25l'

export async function startInTerminal(
  t: Cleanup,
  { command, env, columns = 100, rows = 24 }: Started,
): Promise<PseudoTerminal> {
  // Not exec: the shell reports the status, and what the terminal is like afterwards.
  const program = command.map(shellWord).join(' ')
  const line = `tty; stty rows ${rows} cols ${columns}; ${program} & wait_for=$!; echo "pid $wait_for"; fg >/dev/null; status=$?; stty -a; echo "status $status"`
  const child = spawn('script', ['-qfec', `bash -c ${shellWord(`set -m; ${line}`)}`, '/dev/null'], {
    env: { PATH: process.env['PATH'] ?? '', TERM: 'xterm', SHELL: '/bin/bash', ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  let text = ''
  let hasEnded = false
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (piece: string) => (text += piece))
  const exited = once(child, 'close').then(() => (hasEnded = true))
  const when = async <T>(look: () => T | undefined, what: string): Promise<T> => {
    let found: T | undefined
    const isThere = () => (found = look()) !== undefined || hasEnded
    await until(isThere, what).catch((error: unknown) => {
      throw new Error(`${String(error)}; came so far: ${JSON.stringify(text.slice(-3_000))}`)
    })
    found ??= look()
    if (found === undefined)
      throw new Error(`the terminal ended before ${what}: ${JSON.stringify(text.slice(-3_000))}`)
    return found
  }
  const device = await when(() => /\/dev\/pts\/\d+/.exec(text)?.[0], 'the name of the terminal')
  const pid = Number(await when(() => /pid (\d+)/.exec(text)?.[1], 'the process'))
  const screen = () => {
    const [, ...screens] = text.split(home)
    // The last one may not be whole yet.
    const last = screens.findLast((each) => each.includes(screenEnd)) ?? ''
    return stripVTControlCharacters(last.slice(0, last.indexOf(screenEnd)))
      .split('\r\n')
      .map((each) => each.trimEnd())
  }
  return {
    output: () => text,
    screen,
    shows: async (pattern) =>
      void (await when(
        () => (pattern.test(screen().join('\n')) ? true : undefined),
        `a screen like ${pattern}`,
      )),
    type: (keys) => void child.stdin.write(keys),
    resize: (wide, high) =>
      void execFileSync('stty', ['-F', device, 'cols', String(wide), 'rows', String(high)]),
    signal: (name) => void process.kill(pid, name),
    async ended() {
      const status = await when(() => /^status (\d+)/m.exec(text)?.[1], 'the end')
      await exited
      return Number(status)
    },
  }
}
