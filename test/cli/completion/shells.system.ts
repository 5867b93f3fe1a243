// Real shells: what Tab makes of a line is what the shell then runs.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { shellWord } from '../../../src/platform/shell-word.ts'
import { packagePath } from '../../../src/platform/package.ts'
import { compileCacheEnv } from '../../support/compile-cache.ts'
import { until } from '../../support/deadline.ts'
import { missing } from '../../support/needs.ts'
import { runCommand } from '../../support/run-command.ts'

const folder = mkdtempSync(join(tmpdir(), 'completion-'))
after(() => rmSync(folder, { recursive: true }))
const home = join(folder, 'home')
const binaries = join(folder, 'bin')
const ran = join(folder, 'ran')
const config = join(home, '.config/llm-gateway/llm-gateway.yaml')
const other = join(folder, 'other.yaml')

for (const path of [home, binaries, join(folder, 'zsh'), join(home, '.config/llm-gateway')]) {
  mkdirSync(path, { recursive: true, mode: 0o700 })
}
const text = `
providers:
  echo: { kind: echo }
  local: { base_url: "http://127.0.0.1:1/v1", service: { unit: local.service } }
models:
  "qwen3:8b": { provider: echo }
  "qwen3:30b/x": { provider: echo }
  "spy $(touch hacked) \`touch hacked\` ; touch hacked": { provider: echo }
notify: { sinks: { chat: { kind: ntfy, url: { secret: chat_url } } } }
`
writeFileSync(config, text, { mode: 0o600 })
writeFileSync(other, 'providers: { elsewhere: { kind: echo } }\n', { mode: 0o600 })
// Notes down its arguments; names come from the program itself.
writeFileSync(
  join(binaries, 'llm-gateway'),
  `#!/bin/sh
if [ "$1" = complete ]; then exec ${shellWord(packagePath('bin/llm-gateway'))} "$@"; fi
printf '%s\\0' "$@" >${shellWord(`${ran}.new`)}
mv ${shellWord(`${ran}.new`)} ${shellWord(ran)}
`,
  { mode: 0o755 },
)
const environment = {
  ...compileCacheEnv,
  HOME: home,
  PATH: `${binaries}:/usr/bin:/bin`,
  TERM: 'dumb',
  LC_ALL: 'C.UTF-8',
}
for (const shell of ['bash', 'fish', 'zsh']) {
  const { status, stdout } = await runCommand(['completion', shell])
  assert.equal(status, 0)
  writeFileSync(join(folder, `script.${shell}`), stdout)
}
writeFileSync(join(folder, 'zsh/_llm-gateway'), readFileSync(join(folder, 'script.zsh')))
{
  const { status, stderr } = await runCommand(['key', 'create', 'alice', '--to', join(folder, 'key')], {
    env: environment,
  })
  assert.equal(status, 0, stderr)
}

/** What is typed → what the program receives. */
const lines: readonly (readonly [string, readonly string[]])[] = [
  ['expl\tqwen3:8\t', ['explain', 'qwen3:8b']],
  ['explain qwen3:3\t', ['explain', 'qwen3:30b/x']],
  ['explain sp\t', ['explain', 'spy $(touch hacked) `touch hacked` ; touch hacked']],
  ['key rot\tal\t', ['key', 'rotate', 'alice']],
  ['key create al\t', ['key', 'create', 'al']],
  ['services start \t', ['services', 'start', 'local']],
  ['notify te\tch\t', ['notify', 'test', 'chat']],
  ['doctor --prov\tec\t', ['doctor', '--provider', 'echo']],
  [`doctor -c ${other} -p el\t`, ['doctor', '-c', other, '-p', 'elsewhere']],
  [`doctor --config=${other} --provider el\t`, ['doctor', `--config=${other}`, '--provider', 'elsewhere']],
  [`serve --config ${folder}/oth\t`, ['serve', '--config', other]],
  ['secret set ch\t', ['secret', 'set', 'chat_url']],
  ['completion fi\t', ['completion', 'fish']],
]

interface Shell {
  readonly name: string
  readonly command: string
  readonly begin: string
}

const shells: readonly Shell[] = [
  {
    name: 'bash',
    command: 'bash --norc --noprofile -i',
    begin: `bind 'set enable-bracketed-paste off'; source ${folder}/script.bash; PS1='rea''dy> '`,
  },
  {
    name: 'fish',
    command: 'fish --no-config -i',
    begin: `source ${folder}/script.fish; function fish_prompt; echo -n 'rea''dy> '; end`,
  },
  {
    name: 'zsh',
    command: 'zsh -f -i',
    begin: `autoload -U compinit; compinit -u -D; source ${folder}/script.zsh; PROMPT='rea''dy> '`,
  },
  {
    name: 'zsh, in $fpath',
    command: 'zsh -f -i',
    begin: `fpath=(${folder}/zsh $fpath); autoload -U compinit; compinit -u -D; PROMPT='rea''dy> '`,
  },
]

for (const { name, command, begin } of shells) {
  const program = command.slice(0, command.indexOf(' '))
  suite(name, { skip: missing('script', program) }, () => {
    test('completes commands, options and names', async (t) => {
      const terminal = spawn('script', ['-qfec', command, '/dev/null'], {
        cwd: home,
        env: environment,
        stdio: ['pipe', 'pipe', 'inherit'],
      })
      t.after(() => terminal.kill('SIGKILL'))
      const exited = once(terminal, 'close')
      let shown = ''
      let prompts = 0
      terminal.stdout.setEncoding('utf8').on('data', (piece: string) => (shown += piece))
      const ready = () => shown.split('ready> ').length - 1 > prompts
      const shows = async (isMet: () => boolean, what: string) =>
        until(isMet, what).catch((error: unknown) => {
          throw new Error(`${String(error)}; the terminal shows ${JSON.stringify(shown.slice(-2_000))}`)
        })
      await shows(() => /[$#%>] ?/.test(shown), 'the first prompt')
      terminal.stdin.write(`${begin}\r`)
      for (const [typed, expected] of lines) {
        await shows(ready, 'the prompt')
        prompts = shown.split('ready> ').length - 1
        rmSync(ran, { force: true })
        terminal.stdin.write(`llm-gateway ${typed}\r`)
        await shows(() => existsSync(ran), `${JSON.stringify(typed)} to run`)
        // zsh joins an option and its value.
        const received = readFileSync(ran, 'utf8').replaceAll('--provider=', '--provider\0')
        assert.deepEqual(received.split('\0').slice(0, -1), expected, typed)
      }
      terminal.stdin.write('exit\r')
      await exited
      assert.equal(existsSync(join(home, 'hacked')), false)
    })
  })
}
