// Names that commands take besides those of the configuration, apart from what has them: the completions of shells load nothing else.

/** Of clients, as `connect` takes them. Sorted. */
export const clientNames = [
  'aider',
  'anthropic',
  'claude',
  'codex',
  'continue',
  'copilot',
  'ollama',
  'open-webui',
  'openai',
  'opencode',
  'pi',
  'qwen',
] as const

/** Of gateways, as `import --from` takes them; in the order in which a file is recognized. */
export const sourceNames = ['litellm', 'olla', 'llm-router', 'claude-code-router', 'llama-swap'] as const
