/** The page as an Eta template: `<%= %>` escapes; `<%~ %>` does not, and is for our own style sheet and charts alone. */
export const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="<%= it.policy %>">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title><%= it.title %></title>
<style><%~ it.css %></style>
</head>
<body>
<header>
<h1><bdi><%= it.name %></bdi></h1>
<p class="soft"><bdi><%= it.header.tenant_id %></bdi> / <bdi><%= it.header.campaign_id %></bdi><% if (it.header.campaign !== null) { %> · <bdi><%= it.header.campaign.channel %></bdi><% } %> · <%= it.range %> · times in UTC</p>
<% if (it.header.campaign !== null && it.header.campaign.subject !== null) { %><p>Subject: <bdi><%= it.header.campaign.subject %></bdi></p>
<% } %><% if (it.partial !== null) { %><p class="warn" role="note"><%= it.partial %></p>
<% } %></header>
<main>
<ul class="cards">
<% for (const card of it.cards) { %><li><strong><%= card.value %></strong><%= card.title %><br><span><%= card.detail %></span></li>
<% } %></ul>
<% if (it.chart !== '') { %><section>
<h2><%= it.unit %></h2>
<%~ it.chart %>
</section>
<% } %><section>
<h2>All figures</h2>
<div class="tables">
<table>
<thead><tr><th class="left" scope="col">Figure</th><th scope="col">Total</th></tr></thead>
<tbody>
<% for (const row of it.figures) { %><tr><th scope="row"><%= row.title %></th><td><%= row.value %></td></tr>
<% } %></tbody>
</table>
<table>
<thead><tr><th class="left" scope="col">Rate</th><th scope="col">Value</th><th class="left" scope="col">of</th></tr></thead>
<tbody>
<% for (const row of it.rates) { %><tr><th scope="row"><%= row.title %></th><td><%= row.value %></td><td class="left soft"><%= row.of %></td></tr>
<% } %></tbody>
</table>
</div>
<p class="soft">Opens and clicks by machines (privacy proxies, link scanners) are in none of the other figures.</p>
</section>
<% if (it.groups !== null) { %><section>
<h2>By <bdi><%= it.header.by %></bdi></h2>
<p><strong><%= it.groups.changed %></strong> recipients are in another group <span class="now">today</span> than <span class="then">when a message was sent</span> to them.</p>
<div class="scroll">
<table class="groups">
<caption>Upper line: by the profile <span class="then">when the message was sent</span>. Lower line: the same messages by the profile <span class="now">today</span>.</caption>
<thead><tr><th class="left" scope="col">Group</th><th scope="col">Recipients</th><th class="left"></th><% for (const title of it.groups.columns) { %><th scope="col"><%= title %></th><% } %></tr></thead>
<tbody>
<% for (const row of it.groups.rows) { %><tr><th scope="row"<% if (row.isSpecial) { %> class="special"<% } %>><bdi><%= row.label %></bdi></th><td><span class="then"><%= row.atSend.recipients %></span><br><span class="now"><%= row.today.recipients %></span></td><td class="left"><svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true"><rect class="then" width="<%= row.atSend.width %>" height="4.5"/><rect class="now" y="5.5" width="<%= row.today.width %>" height="4.5"/></svg></td><% for (const [index, value] of row.atSend.values.entries()) { %><td><span class="then"><%= value %></span><br><span class="now"><%= row.today.values[index] %></span></td><% } %></tr>
<% } %></tbody>
</table>
</div>
<% if (it.flow !== null) { %><h2>Who was what, and is what today</h2>
<div class="scroll">
<table class="flow">
<caption>Recipients. Rows: <span class="then">when a message was sent</span>. Columns: <span class="now">today</span>. Framed: unchanged.</caption>
<thead><tr><th class="corner" scope="col"></th><% for (const column of it.flow.columns) { %><th scope="col"<% if (column.isSpecial) { %> class="special"<% } %>><bdi><%= column.label %></bdi></th><% } %></tr></thead>
<tbody>
<% for (const row of it.flow.rows) { %><tr><th scope="row"<% if (row.isSpecial) { %> class="special"<% } %>><bdi><%= row.label %></bdi></th><% for (const cell of row.cells) { %><td class="<%= cell.style %>"><%= cell.text %></td><% } %></tr>
<% } %></tbody>
</table>
</div>
<% if (it.flow.note !== null) { %><p class="soft"><%= it.flow.note %></p>
<% } %><% } %></section>
<% } %><% if (it.hours.rows.length > 0) { %><details>
<summary>Hour by hour</summary>
<div class="scroll">
<table>
<caption>Messages by the hour in which they were sent, everything else by the hour in which it happened.<% if (it.hours.more !== null) { %> <%= it.hours.more %><% } %></caption>
<thead><tr><th class="left" scope="col">Hour</th><% for (const title of it.hours.columns) { %><th scope="col"><%= title %></th><% } %></tr></thead>
<tbody>
<% for (const row of it.hours.rows) { %><tr><th scope="row"><%= row.hour %></th><% for (const value of row.values) { %><td><%= value %></td><% } %></tr>
<% } %></tbody>
</table>
</div>
</details>
<% } %></main>
<footer><p class="soft">Made at <%= it.generatedAt %> by <%= it.header.program %></p></footer>
</body>
</html>
`;
