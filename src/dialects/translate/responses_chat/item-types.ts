// The types of items in the `input` of the Responses API, besides messages and reasoning.
// https://platform.openai.com/docs/api-reference/responses/create#responses_create-input

/** Calls with an action instead of arguments, which tools of the client's machine answer. */
export const actionMembers: ReadonlyMap<string, string> = new Map([
  ['apply_patch_call', 'operation'],
  ['local_shell_call', 'action'],
  ['shell_call', 'action'],
])

/** Results of calls. */
export const outputTypes: ReadonlySet<string> = new Set([
  'apply_patch_call_output',
  'custom_tool_call_output',
  'function_call_output',
  'local_shell_call_output',
  'shell_call_output',
])

/** What the server of the API itself has done: the texts and calls around it stand without it. */
export const hostedItems: ReadonlySet<string> = new Set([
  'code_interpreter_call',
  'computer_call',
  'computer_call_output',
  'configuration_update',
  'file_search_call',
  'image_generation_call',
  'mcp_approval_request',
  'mcp_approval_response',
  'mcp_call',
  'mcp_list_tools',
  'program',
  'program_output',
  'tool_search_call',
  'tool_search_output',
  'web_search_call',
])

/** What only a server that keeps state understands, and why another one refuses it. */
export const statefulItems: ReadonlyMap<string, string> = new Map([
  [
    'compaction',
    'The provider cannot read a compaction that another server has made: send the conversation itself.',
  ],
  [
    'compaction_trigger',
    'The provider cannot compact a conversation: ask for a summary in a message instead.',
  ],
  ['item_reference', 'State is not kept: send the whole item instead of an "item_reference".'],
])

/** Whether an item is a call that the client's machine answers. */
export function isCall(type: string): boolean {
  return type === 'function_call' || type === 'custom_tool_call' || actionMembers.has(type)
}
