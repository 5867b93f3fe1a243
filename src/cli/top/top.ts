// `llm-gateway top`: what the running gateway does, live in a terminal, or once for any other reader.
import { type CommandIo, hasColours, Output } from '../output.ts'
import { cancelCall } from '../calls.ts'
import { askControl, type ControlAnswer, problemOf } from '../control-client.ts'
import type { SecretInput } from '../read-secret.ts'
import { type Choice, noChoice, pressKey, readKeys } from './keys.ts'
import { readTopReport, type TopReport } from './report.ts'
import { drawOnce, drawScreen } from './screen.ts'
import { Terminal, type TerminalOutput } from './terminal.ts'

export type TopIo = CommandIo & { readonly stdin: SecretInput; readonly stdout: TerminalOutput }

export interface TopOptions {
  /** Asks only the gateway that was started with this file. */
  readonly config: string | undefined
  readonly json: boolean
  readonly once: boolean
}

const lookEveryMs = 1_000

/** @returns the exit status: 0, 1 when no gateway answers at first, or what the signal that ended it stands for. */
export async function topCommand(io: TopIo, { config, json, once }: TopOptions): Promise<number> {
  const { env, stdout, stderr, stdin } = io
  const answer = await askReport(env, config)
  if (answer.kind !== 'answered') {
    new Output(stderr, env).line(`error: ${problemOf(answer)}`)
    return 1
  }
  const out = new Output(stdout, env)
  if (json) {
    out.json(answer.body)
    return 0
  }
  const report = readTopReport(answer.body)
  if (!once && stdout.isTTY === true && stdin.isTTY) return new LiveTop(io, config, report).run()
  const columns = stdout.isTTY === true ? (stdout.columns ?? 80) : Infinity
  for (const { text, style } of drawOnce(report, columns))
    out.line(style === undefined ? text : out.styled(style, text))
  return 0
}

/** A gateway that has no status report has at least one of its calls. */
async function askReport(env: NodeJS.ProcessEnv, config: string | undefined): Promise<ControlAnswer> {
  const answer = await askControl(env, 'GET /-/status', config)
  return answer.kind === 'failed' ? askControl(env, 'GET /-/calls', config) : answer
}

class LiveTop {
  readonly #io: TopIo
  readonly #config: string | undefined
  readonly #terminal: Terminal
  readonly #ended = Promise.withResolvers<number>()
  #report: TopReport
  #choice: Choice = noChoice
  #trouble: string | undefined
  #timer: NodeJS.Timeout | undefined
  #hasEnded = false

  constructor(io: TopIo, config: string | undefined, report: TopReport) {
    this.#io = io
    this.#config = config
    this.#report = report
    this.#terminal = new Terminal({
      input: io.stdin,
      output: io.stdout,
      hasColours: hasColours(io.stdout, io.env),
      onKeys: (text) => this.#press(text),
      onRedraw: () => this.#draw(),
      onEnd: (status) => this.#end(status),
    })
  }

  async run(): Promise<number> {
    try {
      this.#terminal.open()
      this.#draw()
      this.#lookLater()
      return await this.#ended.promise
    } finally {
      clearTimeout(this.#timer)
      this.#terminal.close()
    }
  }

  #lookLater(): void {
    this.#timer = setTimeout(() => void this.#look(), lookEveryMs)
  }

  async #look(): Promise<void> {
    const answer = await askReport(this.#io.env, this.#config)
    if (this.#hasEnded) return
    if (answer.kind === 'answered') {
      this.#report = readTopReport(answer.body)
      this.#trouble = undefined
    } else {
      this.#trouble = `The gateway is gone; asking again each second (${problemOf(answer)})`
    }
    this.#draw()
    this.#lookLater()
  }

  #press(text: string): void {
    for (const key of readKeys(text)) {
      const { choice, action } = pressKey(key, this.#choice, this.#report.calls)
      this.#choice = choice
      if (action?.kind === 'quit') return this.#end(0)
      if (action?.kind === 'cancel') void this.#cancel(action.id)
      // What is pasted confirms nothing.
      if (key === 'cancel') break
    }
    this.#draw()
  }

  async #cancel(id: string): Promise<void> {
    const result = await cancelCall(this.#io.env, id, this.#config)
    const notice = result.kind === 'cancelled' ? `Cancelled ${id}.` : `Not cancelled: ${result.problem}.`
    this.#choice = { ...this.#choice, notice }
    this.#draw()
  }

  #draw(): void {
    if (this.#hasEnded) return
    const state = { report: this.#report, choice: this.#choice, trouble: this.#trouble }
    this.#terminal.draw(drawScreen(state, this.#terminal.size))
  }

  #end(status: number): void {
    this.#hasEnded = true
    this.#ended.resolve(status)
  }
}
