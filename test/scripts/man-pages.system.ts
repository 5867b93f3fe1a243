// That the pages on the disk are what is generated, generate.test.ts holds.
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { everyCommand, describeCommand } from '../../src/cli/command-tree.ts'
import { createProgram } from '../../src/cli/program.ts'
import { configSchema } from '../../src/config/schema/schema.ts'
import { packagePath } from '../../src/platform/package.ts'
import { roff, roffInline } from '../../scripts/roff.ts'
import { missing } from '../support/needs.ts'

const folder = packagePath('man')
const pages = readdirSync(folder)
const rendered = (page: string) =>
  execFileSync('mandoc', ['-T', 'utf8', '-O', 'width=1000', `${folder}/${page}`], { encoding: 'utf8' })
    // Bold and underlined characters are written twice.
    .replaceAll(/.[\b]/g, '')

for (const page of pages) {
  test(`mandoc and groff read ${page} without warnings`, { skip: missing('mandoc', 'groff') }, () => {
    const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'warning', page], { cwd: folder, encoding: 'utf8' })
    // A generated page has no date, which would differ from day to day.
    const warnings = lint.stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'))
    assert.deepEqual(warnings, [])
    const groff = spawnSync('groff', ['-man', '-Tutf8', '-ww', '-Z', page], { cwd: folder, encoding: 'utf8' })
    assert.equal(groff.status, 0)
    assert.equal(groff.stderr, '')
  })
}

test('llm-gateway(1) has every command and option', { skip: missing('mandoc') }, () => {
  const program = describeCommand(
    createProgram({ stdout: process.stdout, stderr: process.stderr, env: {} }).command,
  )
  const text = rendered('llm-gateway.1')
  const commands = [...everyCommand(program)].filter(({ commands }) => commands.length === 0)
  assert.ok(commands.length > 40)
  for (const { path, options } of commands) {
    const begin = text.search(new RegExp(`^ {3}${path.join(' ')}( |$)`, 'm'))
    assert.notEqual(begin, -1, path.join(' '))
    const rest = text.slice(text.indexOf('\n', begin))
    const entry = rest.slice(0, rest.search(/^ {0,3}\S/m))
    for (const { long } of options) {
      if (long !== '--help') assert.ok(entry.includes(long!), `${path.join(' ')} ${long}`)
    }
  }
})

test('llm-gateway.yaml(5) has every section and the default file', { skip: missing('mandoc') }, () => {
  const text = rendered('llm-gateway.yaml.5')
  for (const section of Object.keys(configSchema.properties))
    assert.match(text, new RegExp(`^${section}$`, 'm'))
  const file = readFileSync(packagePath('config/llm-gateway.yaml'), 'utf8')
  for (const line of file.split('\n')) assert.ok(text.includes(line.trimEnd()), line)
})

test('text that roff would take for a command stays text', { skip: missing('mandoc') }, () => {
  const text =
    String.raw`.so /etc/passwd
'br \fBbold\n "quoted" a-b ~ ^ ` + '`code` → é 💡'
  const page = `.TH T 1\n.SH NAME\nt \\- t\n.SH X\n.nf\n${roff(text)}\n.fi\n`
  const shown = execFileSync('mandoc', ['-T', 'utf8'], { input: page, encoding: 'utf8' }).replaceAll(
    /.[\b]/g,
    '',
  )
  for (const line of text.split('\n')) assert.ok(shown.includes(line), shown)
  assert.equal(
    roffInline('`a|b` [x](https://y.example) [z](z.md)'),
    String.raw`\fBa|b\fR x (https://y.example) z`,
  )
})
