// Posts session ends to the exporter: send SYSTEM CODE SESSION_ID...
// SESSION_ENDS_URL is the exporter's URL. SESSION_ENDS_TOKEN is the bearer token, if the exporter needs it.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

const attempts = 8

type event struct {
	ID        string `json:"id"`
	System    string `json:"system"`
	Code      string `json:"code"`
	SessionID string `json:"session_id"`
}

func post(client *http.Client, url string, body []byte) (status int, answer []byte, after time.Duration, err error) {
	request, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, 0, err
	}
	request.Header.Set("Content-Type", "application/json")
	if token := os.Getenv("SESSION_ENDS_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	response, err := client.Do(request)
	if err != nil {
		return 0, nil, 0, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	seconds, _ := strconv.Atoi(response.Header.Get("Retry-After"))
	return response.StatusCode, answer, time.Duration(seconds) * time.Second, err
}

func send(url string, events []event) ([]byte, error) {
	body, err := json.Marshal(events)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: 15 * time.Second}
	wait := 500 * time.Millisecond
	for attempt := 1; ; attempt++ {
		status, answer, after, err := post(client, url, body)
		switch {
		case err == nil && status == http.StatusOK:
			return answer, nil
		case err == nil && status < 500 && status != http.StatusRequestTimeout && status != http.StatusTooManyRequests:
			return nil, fmt.Errorf("%d: %s", status, answer)
		case attempt == attempts:
			return nil, fmt.Errorf("not delivered in %d attempts", attempts)
		}
		if after < wait {
			after = wait
		}
		time.Sleep(after)
		if wait < 30*time.Second {
			wait *= 2
		}
	}
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: send SYSTEM CODE SESSION_ID...")
		os.Exit(2)
	}
	url := os.Getenv("SESSION_ENDS_URL")
	if url == "" {
		url = "http://127.0.0.1:10400/v1/session-ends"
	}
	exit := 0
	for _, session := range os.Args[3:] {
		// The session id is the event's id, so a retry by any sender has the same id and is counted once.
		answer, err := send(url, []event{{ID: session, System: os.Args[1], Code: os.Args[2], SessionID: session}})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(string(answer))
		if !bytes.Contains(answer, []byte(`"rejected":[]`)) {
			exit = 1
		}
	}
	os.Exit(exit)
}
