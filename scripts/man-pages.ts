// The manual pages: llm-gateway(1) from the commands, as `--help` shows them, and llm-gateway.yaml(5) from docs/config.md.
import {
  type CommandEntry,
  describeCommand,
  everyCommand,
  type OperandEntry,
} from '../src/cli/command-tree.ts'
import { createProgram, helpEnd } from '../src/cli/program.ts'
import { overrideVariables } from '../src/config/environment.ts'
import { manualFromMarkdown } from './manual-from-markdown.ts'
import { roff, roffInline } from './roff.ts'

/** Name of the file → text. */
export function manPages(version: string, configPage: string): Record<string, string> {
  return {
    'llm-gateway.1': programPage(version),
    'llm-gateway.yaml.5': configurationPage(version, configPage),
  }
}

function programPage(version: string): string {
  const { command } = createProgram({ stdout: process.stdout, stderr: process.stderr, env: {} })
  const program = describeCommand(command)
  const commands = [...everyCommand(program)].filter(({ path }) => path.length > 0)
  return [
    titleLine('LLM-GATEWAY', 1, version, 'User Commands'),
    '.SH NAME',
    `llm\\-gateway \\- ${roff(withoutFullStop(program.description))}`,
    '.SH SYNOPSIS',
    String.raw`.B llm\-gateway`,
    String.raw`\fICOMMAND\fR [\fIOPTION\fR]... [\fIARGUMENT\fR]...`,
    '.SH DESCRIPTION',
    roff(
      'llm-gateway is a server on this machine that stands in front of LLM providers and model servers. Clients send it their calls in the formats of OpenAI, Anthropic or Ollama; it chooses the server, holds the limits and relays the bytes.',
    ),
    '.PP',
    ...helpEnd.trim().split('\n\n').map(roff).join('\n.PP\n').split('\n'),
    '.SH COMMANDS',
    ...commands.flatMap((each) => (isRunnable(each) ? commandLines(each) : groupLines(each))),
    '.SH OPTIONS',
    ...optionLines(program),
    '.SH ENVIRONMENT',
    'Variables that override the configuration file. An empty one counts as not set.',
    ...overrideVariables.flatMap(({ name, key, form }) => [
      '.TP',
      `.B LLM_GATEWAY_${name}`,
      roffInline(key === '' ? form : `${key.includes('`') ? key : `\`${key}\``}: ${form}`),
    ]),
    '.SH FILES',
    ...files.flatMap(([path, meaning]) => ['.TP', `.I ${roff(path)}`, roff(meaning)]),
    '.SH SEE ALSO',
    String.raw`.BR llm\-gateway.yaml (5),`,
    '.BR systemctl (1),',
    '.BR journalctl (1)',
    '',
  ].join('\n')
}

const files = [
  ['~/.config/llm-gateway/llm-gateway.yaml', 'The configuration of a user.'],
  ['/etc/llm-gateway/llm-gateway.yaml', 'The configuration of the system service.'],
  [
    '/etc/llm-gateway/credentials/',
    'Keys of providers that `credential set` has stored for the system service.',
  ],
  ['/etc/llm-gateway/secrets/', 'Keys of providers that `secret set` has stored, encrypted.'],
  [
    '/var/lib/llm-gateway/',
    'State of the system service: counters of limits, the ledger, the audit log, its identity.',
  ],
] as const

/** Not a mere group of others. */
function isRunnable({ commands, options, operands, defaultCommand }: CommandEntry): boolean {
  if (commands.length === 0) return true
  // Every command has --help.
  return defaultCommand === undefined && (options.length > 1 || operands.length > 0)
}

/** What its commands are about: their own descriptions leave it out. */
function groupLines({ path, description }: CommandEntry): string[] {
  const words = path.map((word) => `\\fB${roff(word)}\\fR`)
  return [`.SS ${[...words, '\\fICOMMAND\\fR'].join(' ')}`, roff(sentence(description))]
}

function commandLines(command: CommandEntry): string[] {
  const words = command.path.map((word) => `\\fB${roff(word)}\\fR`)
  const options = command.options.some(({ long }) => long !== '--help') ? ['[\\fIOPTION\\fR]...'] : []
  return [
    `.SS ${[...words, ...options, ...command.operands.map(operandText)].join(' ')}`,
    roff(sentence(command.description)),
    ...command.operands.flatMap((operand) =>
      operand.description === ''
        ? []
        : ['.TP', `\\fI${roff(operand.name.toUpperCase())}\\fR`, roff(sentence(operand.description))],
    ),
    ...optionLines(command),
  ]
}

function operandText({ name, isRequired, isRepeated }: OperandEntry): string {
  const text = `\\fI${roff(name.toUpperCase())}\\fR${isRepeated ? '...' : ''}`
  return isRequired ? text : `[${text}]`
}

function optionLines({ path, options }: CommandEntry): string[] {
  return (
    options
      // Said once, for the program.
      .filter(({ long }) => long !== '--help' || path.length === 0)
      .flatMap(({ flags, description }) => ['.TP', optionText(flags), roff(sentence(description))])
  )
}

/** `-c, --config <file>` with its words in bold, its value in italics. */
function optionText(flags: string): string {
  return flags
    .split(/(<[^>]+>|\[[^\]]+\])/)
    .filter((part) => part !== '')
    .map((part) =>
      /^[<[]/.test(part)
        ? `\\fI${roff(part.slice(1, -1).toUpperCase())}\\fR`
        : part.replaceAll(/--?[\w-]+/g, (flag) => `\\fB${roff(flag)}\\fR`),
    )
    .join('')
    .trimEnd()
}

function sentence(text: string): string {
  const here = text.replace('see llm-gateway --help', 'see DESCRIPTION')
  const begun = here.charAt(0).toUpperCase() + here.slice(1)
  return begun.endsWith('.') ? begun : `${begun}.`
}

function withoutFullStop(text: string): string {
  return text.replace(/\.$/, '')
}

function configurationPage(version: string, page: string): string {
  // Its title is the name of the page here.
  const body = page.replace(/^# .*\n/, '').replaceAll(/<!--[^]*?-->\n*/g, '')
  return [
    titleLine('LLM-GATEWAY.YAML', 5, version, 'File Formats'),
    '.SH NAME',
    String.raw`llm\-gateway.yaml \- configuration file of the LLM gateway`,
    '.SH DESCRIPTION',
    manualFromMarkdown(body),
    '.SH SEE ALSO',
    String.raw`.BR llm\-gateway (1)`,
    '.PP',
    roff(
      'Other pages that are named here, such as keys.md, are in the folder docs of the package; on Debian, in /usr/share/doc/llm-gateway/docs/.',
    ),
    '',
  ].join('\n')
}

/** Without a date, which would differ from build to build. */
function titleLine(name: string, section: number, version: string, volume: string): string {
  return `.\\" Generated by scripts/generate.ts: npm run generate\n.TH ${roff(name)} ${section} "" "llm\\-gateway ${version}" "${volume}"`
}
