// Commands that start a flow, ready to be copied: quoted so that a shell passes on exactly what is meant.

/** A word of a POSIX shell. */
export function word(text) {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${String(text).replaceAll("'", "'\\''")}'`;
}

/** The body of the request that starts a flow. */
export function startBody({ input, version, tag, tags }) {
  const body = { input };
  if (version !== null && version !== undefined) body.version = version;
  else if (tag) body.tag = tag;
  if (tags?.length > 0) body.tags = tags;
  return body;
}

/** With curl; the credential comes from the environment, so that it is not kept in the shell's history. */
export function curl({ origin, flow, ...start }) {
  const body = JSON.stringify(startBody(start));
  return [
    `curl --fail-with-body -X POST ${word(`${origin}/api/v1/flows/${encodeURIComponent(flow)}/executions`)}`,
    '  -H "Authorization: Bearer $KITARU_SERVER_ACCESS_TOKEN"',
    "  -H 'Content-Type: application/json'",
    `  -d ${word(body)}`,
  ].join(" \\\n");
}

/** With the command line. */
export function cli({ flow, input, version, tag, tags }) {
  const parts = ["kitaru-host", "invoke", word(flow)];
  if (version !== null && version !== undefined) parts.push("--version", word(String(version)));
  else if (tag) parts.push("--tag", word(tag));
  parts.push("--input", word(JSON.stringify(input)));
  for (const label of tags ?? []) parts.push("--label", word(label));
  return parts.join(" ");
}

/** As an assistant's call of a tool. */
export function mcp({ flow, input, version, tag, tags }) {
  const call = { flow };
  if (version !== null && version !== undefined) call.version = version;
  else if (tag) call.tag = tag;
  call.input = input;
  if (tags?.length > 0) call.tags = tags;
  return JSON.stringify({ name: "kitaru_deployments_invoke", arguments: call }, null, 2);
}
