#!/bin/sh
# The page. A POST buys the first thing on the shelf; every GET is a visit.
case "$REQUEST_METHOD" in
  POST)
    timeout 3 wget -q -O /dev/null "$API/cgi-bin/count?orders"
    printf 'Status: 303 See Other\r\nLocation: /\r\n\r\n'
    exit ;;
esac

if shelf=$(timeout 3 wget -q -O - "$API/cgi-bin/shelf") && counts=$(timeout 3 wget -q -O - "$API/cgi-bin/count?visits"); then
  goods=$(echo "$shelf" | while read -r price thing; do echo "<li>$thing <b>$price</b></li>"; done)
else
  goods='<li>the shelf is out of reach for a moment</li>' counts='visits: ? orders: ?'
fi

printf 'Content-Type: text/html; charset=utf-8\r\nCache-Control: no-store\r\n\r\n'
cat <<PAGE
<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>The little shop</title>
<style>
  body { font: 18px/1.6 Georgia, serif; max-width: 26em; margin: 4em auto; padding: 0 1em; color: #2b2b2b; background: #faf7f0 }
  li { border-bottom: 1px dotted #b9ad94; list-style: none }
  ul { padding: 0 } b { float: right } small { color: #8a8069 }
  button { font: inherit; padding: .3em 1.2em; border: 1px solid #b9ad94; border-radius: .4em; background: #fff; cursor: pointer }
</style>
<h1>The little shop</h1>
<ul>
$goods
</ul>
<form method="post" action="/cgi-bin/index.cgi"><button>Buy one of each</button></form>
<p>$counts</p>
<p><small>version $(cat /version), served by $(hostname)</small></p>
</html>
PAGE
